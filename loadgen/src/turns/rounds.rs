//! The rounds of turns, from opening the connections to the record.

use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use host::kernel::{CpuTimes, process_run_delay_us};
use protocol::Workload;
use protocol::client::{Client, EchoClient, HttpClient, HttpRequest};
use random::Random;
use sys::clock;

use super::attendant::Attendant;
use super::error::TurnsError;
use super::options::{Options, Target};
use super::record::{Record, Round, Turn};

/// Bytes of an echo message, as those of `load`.
const MESSAGE_LEN: usize = 64;
/// What a round may lose: about a tick of /proc/stat, the least that is seen, in a usual one of five to eight servers.
const DISTURBED_FROM: f64 = 0.05;

/// Opens all connections, takes the turns, and says what came of them.
///
/// # Errors
/// When a server does not answer as it should. Nothing is repeated then.
pub fn take_turns(options: &Options) -> Result<Record, TurnsError> {
    if options.targets.is_empty() || options.connections == 0 || options.pipeline == 0 || options.rounds == 0 {
        return Err(TurnsError::Nothing);
    }
    if let Some(cpu) = options.cpu {
        sys::affinity::pin_to_cpu(cpu as usize).map_err(|error| TurnsError::Pin { cpu, error })?;
    }
    match options.workload {
        Workload::Http => all(options, |target| {
            let request = HttpRequest {
                path: "/".to_owned(),
                host: target.address.to_string(),
                expect_body: Some(b"Hello, World!".to_vec()),
                ..HttpRequest::default()
            };
            HttpClient::new(&request, options.pipeline).expect("nothing in it breaks the framing")
        }),
        Workload::Echo => all(options, |_| EchoClient::new(MESSAGE_LEN, options.pipeline, options.seed)),
    }
}

fn all<C: Client>(options: &Options, client: impl Fn(&Target) -> C + Sync) -> Result<Record, TurnsError> {
    thread::scope(|scope| {
        let start = |target: &Target| Attendant::start(scope, options, *target, &client);
        rounds(options, options.targets.iter().map(start).collect::<Result<Vec<_>, _>>()?)
    })
}

fn rounds(options: &Options, mut clients: Vec<Attendant<'_>>) -> Result<Record, TurnsError> {
    let delays_before: Vec<Option<u64>> =
        options.targets.iter().map(|target| process_run_delay_us(target.pid)).collect();
    let started_unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let mut record = Record { started_unix_ms, ..Record::default() };
    let (mut random, begun_us) = (Random::new(options.seed), clock::now_ns() / 1000);
    let mut order: Vec<usize> = (0..clients.len()).collect();
    let mut undisturbed = 0;
    for number in 0..options.rounds_max() {
        if undisturbed == options.rounds {
            break;
        }
        if number % 2 == 0 {
            random.shuffle(&mut order);
        } else {
            order.reverse();
        }
        let (before, begin_us) = (CpuTimes::read().ok(), clock::now_ns() / 1000);
        for target in &order {
            let Some(turn) = clients[*target].turn(random.next_u64()) else {
                return Err(clients.swap_remove(*target).failed());
            };
            let start_us = turn.start_us.saturating_sub(begun_us);
            record.turns.push(Turn { target: *target, round: number, start_us, ..turn });
        }
        let wall_us = (clock::now_ns() / 1000 - begin_us).max(1);
        let stolen_us = before.zip(CpuTimes::read().ok()).and_then(|(before, after)| {
            let stolen = |cpu: &u32| Some(after.of(*cpu)?.since(&before.of(*cpu)?).steal_us);
            options.watch_cpus.iter().filter_map(stolen).max()
        });
        let is_disturbed = stolen_us.is_some_and(|stolen_us| stolen_us as f64 > DISTURBED_FROM * wall_us as f64);
        undisturbed += u32::from(!is_disturbed);
        record.rounds.push(Round { wall_us, stolen_us, is_disturbed });
    }
    record.targets = clients.into_iter().map(Attendant::finish).collect::<Result<_, _>>()?;
    for ((whole, target), before) in record.targets.iter_mut().zip(&options.targets).zip(delays_before) {
        let after = process_run_delay_us(target.pid);
        whole.run_delay_us = before.zip(after).map(|(before, after)| after.saturating_sub(before));
    }
    Ok(record)
}
