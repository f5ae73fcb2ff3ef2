//! Which reactor gets a connection, for each `Balance`. Loopback handles a SYN on the CPU that sent it, so a
//! client chooses the CPU by pinning itself.

use std::net::{SocketAddr, TcpStream};
use std::thread;

use crossbeam::channel::unbounded;
use protocol::Workload;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use server::{Balance, Options, Order, Report, Server, Unavailable};

/// Connections from as many source ports, opened by four threads at once.
const CONNECTIONS: usize = 400;

/// Runs a server of `reactors` while `clients` connect, and returns its report.
fn serve(balance: Balance, reactors: usize, cpus: &[usize], clients: impl FnOnce(SocketAddr)) -> Option<Report> {
    let mut options = Options::new(Workload::Echo);
    (options.balance, options.reactors, options.cpus) = (balance, reactors, cpus.to_vec());
    let server = match Server::start(options) {
        Ok(server) => server,
        // Only this one needs a privilege. With `CI` set, lacking it is a failure.
        Err(error @ Unavailable::Balance { balance: Balance::RoundRobin, .. }) if std::env::var_os("CI").is_none() => {
            eprintln!("skipped: {error}");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let (sender, orders) = unbounded();
    let address = server.endpoints()[0].tcp().expect("an address of TCP");
    let supervisor = thread::spawn(move || server.supervise(&orders));
    clients(address);
    sender.send(Order::Drain).expect("the supervisor listens");
    let report = supervisor.join().expect("no panic");
    assert_eq!((report.exit_code(), report.balance, report.totals.accepts), (0, balance, CONNECTIONS as u64));
    Some(report)
}

/// All open at once, so that each has its own port.
fn connect(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| TcpStream::connect(address).expect("it listens")).collect()
}

/// Nothing closes before everything is open: a segment that comes too late for its connection would take a turn.
fn connect_from_threads(address: SocketAddr) {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| connect(address, CONNECTIONS / 4))).collect();
        let streams: Vec<Vec<TcpStream>> = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
        drop(streams);
    });
}

fn connect_from_cpu(cpu: usize) -> impl FnOnce(SocketAddr) {
    move |address| {
        let mut set = CpuSet::new();
        set.set(cpu);
        let client = thread::spawn(move || {
            sched_setaffinity(None, &set).expect("an allowed CPU");
            drop(connect(address, CONNECTIONS));
        });
        client.join().expect("no panic");
    }
}

fn accepts(report: &Report) -> Vec<u64> {
    report.reactors.iter().map(|reactor| reactor.counters.accepts).collect()
}

fn allowed_cpus() -> Vec<usize> {
    let set = sched_getaffinity(None).expect("it never fails for oneself");
    (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
}

#[test]
fn round_robin_gives_every_reactor_the_same() {
    let Some(report) = serve(Balance::RoundRobin, 4, &[], connect_from_threads) else { return };
    // A stray segment to the port would take a turn; nothing sends one here, but one is tolerated.
    assert!(accepts(&report).iter().all(|count| count.abs_diff(100) <= 1), "{:?}", accepts(&report));
    let spread = report.spread.expect("there were connections");
    assert!(spread.accepts_max_over_mean <= 1.01 && spread.accepts_coefficient_of_variation <= 0.01, "{spread:?}");
}

#[test]
fn a_hash_is_even_on_average() {
    let report = serve(Balance::Hash, 4, &[], connect_from_threads).expect("it needs nothing");
    let chi_square: f64 = accepts(&report).iter().map(|count| (*count as f64 - 100.0).powi(2) / 100.0).sum();
    // A fair hash exceeds 60 with a probability of 10^-12 (three degrees of freedom).
    assert!(chi_square < 60.0, "{:?}", accepts(&report));
    assert!(accepts(&report).iter().all(|count| *count > 0), "{:?}", accepts(&report));
    let spread = report.spread.expect("there were connections");
    assert!((spread.accepts_coefficient_of_variation.powi(2) * 400.0 - chi_square).abs() < 1e-6, "{spread:?}");
}

#[test]
fn the_cpu_of_the_syn_chooses_its_own_reactor() {
    let cpus = allowed_cpus();
    let backwards: Vec<usize> = cpus.iter().rev().copied().collect();
    for order in [&cpus, &backwards] {
        for cpu in [cpus[0], cpus[cpus.len() - 1]] {
            let report = serve(Balance::Cpu, order.len(), order, connect_from_cpu(cpu)).expect("it needs nothing");
            for reactor in &report.reactors {
                let expected = if reactor.cpu == cpu { CONNECTIONS as u64 } else { 0 };
                assert_eq!(reactor.counters.accepts, expected, "CPU {cpu}, reactors on {order:?}: {reactor:?}");
            }
            let spread = report.spread.expect("there were connections");
            assert_eq!(spread.accepts_max_over_mean, order.len() as f64);
        }
    }
}

#[test]
fn reactors_of_one_cpu_share_its_connections() {
    let cpus = allowed_cpus();
    let (first, last) = (cpus[0], cpus[cpus.len() - 1]);
    let report = serve(Balance::Cpu, 4, &[first, last], connect_from_cpu(first)).expect("it needs nothing");
    for reactor in &report.reactors {
        // At random: one of at most four gets nothing with a probability below 10^-49.
        assert_eq!(reactor.counters.accepts > 0, reactor.cpu == first, "{:?}", accepts(&report));
    }
}

#[test]
fn a_cpu_without_a_reactor_takes_the_one_of_its_number() {
    let cpus = allowed_cpus();
    let (first, last) = (cpus[0], cpus[cpus.len() - 1]);
    if first == last {
        return eprintln!("skipped: every CPU of one has a reactor");
    }
    let report = serve(Balance::Cpu, 3, &[first], connect_from_cpu(last)).expect("it needs nothing");
    let expected: Vec<u64> = (0..3).map(|index| if index == last % 3 { CONNECTIONS as u64 } else { 0 }).collect();
    assert_eq!(accepts(&report), expected);
}
