//! Runs into the limits on descriptors: limits of this process are lowered and its table filled.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use host::Facts;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::walk::record::{Errno, Met, number};
use crate::walk::user;

/// The soft limit that most systems begin with.
const SOFT: u64 = 1024;
/// Largest table that is filled: above it the limit is lowered, in this process alone.
const FILLED_MAX: u64 = 65_536;
/// How long a loop tries in vain, to see what it costs.
const IN_VAIN: Duration = Duration::from_millis(50);

pub(super) fn soft() -> anyhow::Result<Met> {
    let hard = getrlimit(Resource::Nofile).maximum;
    let soft = hard.map_or(SOFT, |hard| hard.min(SOFT));
    setrlimit(Resource::Nofile, Rlimit { current: Some(soft), maximum: hard })?;
    let (errno, mut seen) = fill(soft)?;
    setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard })?;
    seen.push("It raised its soft limit to the hard one afterwards, without any right.".to_owned());
    Ok(Met::Hit { at: soft, call: "accept(2)".to_owned(), errno, seen })
}

pub(super) fn hard() -> anyhow::Result<Met> {
    let found = getrlimit(Resource::Nofile).maximum;
    let hard = found.map_or(FILLED_MAX, |hard| hard.min(FILLED_MAX));
    setrlimit(Resource::Nofile, Rlimit { current: Some(hard), maximum: Some(hard) })?;
    let (errno, mut seen) = fill(hard)?;
    if found != Some(hard) {
        let was = found.map_or("unlimited".to_owned(), number);
        seen.push(format!("The hard limit is {was} here; it was lowered to {} in that process.", number(hard)));
    }
    seen.push(above_as_an_ordinary_user(hard));
    Ok(Met::Hit { at: hard, call: "accept(2)".to_owned(), errno, seen })
}

/// Fills the table of this process, and lets a client come. Returns how accept failed, and what else was seen.
fn fill(limit: u64) -> anyhow::Result<(Errno, Vec<String>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on loopback")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let mut held: Vec<OwnedFd> = vec![];
    loop {
        match listener.as_fd().try_clone_to_owned() {
            Ok(copy) => held.push(copy),
            Err(error) if Errno::of_error(&error).name == "EMFILE" => break,
            Err(error) => return Err(error).context("filling the table"),
        }
    }
    let highest = held.last().map_or(0, |last| last.as_raw_fd() as u64);
    // The client takes the last one.
    held.pop();
    let mut client = TcpStream::connect(address).context("a client cannot connect")?;
    let is_sent = client.write_all(b"hello").is_ok();
    if !is_readable(&listener)? {
        bail!("the client did not come");
    }
    let error = match listener.accept() {
        Ok(_) => bail!("accept found a descriptor beyond {limit}"),
        Err(error) => error,
    };
    let tries = try_in_vain(&listener);
    let opened = std::fs::File::open("/dev/null");
    let mut seen = vec![format!(
        "The highest descriptor was {}. The client was connected all the same{}: the kernel completes handshakes.",
        number(highest),
        if is_sent { ", and its first bytes were taken" } else { "" }
    )];
    if is_readable(&listener)? {
        seen.push(format!(
            "The listener stayed readable: a loop that tried again failed {} times in {} ms.",
            number(tries),
            IN_VAIN.as_millis()
        ));
    }
    if let Err(error) = opened {
        seen.push(format!("Opening a file failed, too: {}.", Errno::of_error(&error).name));
    }
    held.pop();
    if listener.accept().is_ok() {
        seen.push("With one descriptor closed, accept took the client in at once.".to_owned());
    }
    Ok((Errno::of_error(&error), seen))
}

/// What the loop of a server does that neither pauses nor gives up.
fn try_in_vain(listener: &TcpListener) -> u64 {
    let (start, mut tries) = (Instant::now(), 0);
    while start.elapsed() < IN_VAIN && listener.accept().is_err() {
        tries += 1;
    }
    tries
}

fn is_readable(listener: &TcpListener) -> anyhow::Result<bool> {
    let second = Timespec { tv_sec: 1, tv_nsec: 0 };
    Ok(poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&second))? > 0)
}

/// What becomes of a hard limit that somebody without CAP_SYS_RESOURCE raises. Only the calling thread becomes that user.
fn above_as_an_ordinary_user(hard: u64) -> String {
    let above = Rlimit { current: Some(hard), maximum: Some(hard + 1) };
    let tried = std::thread::scope(|scope| {
        let ordinary = scope.spawn(move || {
            user::become_ordinary()?;
            Ok::<_, String>(setrlimit(Resource::Nofile, above))
        });
        ordinary.join().unwrap_or_else(|_| Err("the thread panicked".to_owned()))
    });
    match tried {
        Ok(Err(error)) => format!("An ordinary user who raised it by one got {}.", Errno::of(error)),
        Ok(Ok(())) => "An ordinary user could raise it all the same.".to_owned(),
        Err(reason) => format!("Raising it as an ordinary user could not be tried: {reason}."),
    }
}

pub(super) fn nr_open() -> anyhow::Result<Met> {
    let most = Facts::of_this_host().files.nr_open.context("fs.nr_open cannot be read")?;
    let found = getrlimit(Resource::Nofile);
    let raise = |maximum| setrlimit(Resource::Nofile, Rlimit { current: found.current, maximum: Some(maximum) });
    if let (Some(hard), Err(error)) = (found.maximum, raise(most)) {
        let reason = format!(
            "this process may not raise its hard limit at all (no CAP_SYS_RESOURCE): {} comes from {} on already, so \
             what comes above {} cannot be told from that",
            Errno::of(error),
            number(hard + 1),
            number(most)
        );
        return Ok(Met::NotHit { reason });
    }
    let Err(error) = raise(most + 1) else { bail!("the hard limit could be raised above fs.nr_open") };
    let seen = vec![format!("Raising it to {} succeeded just before.", number(most))];
    Ok(Met::Hit { at: most, call: "setrlimit(2)".to_owned(), errno: Errno::of(error), seen })
}

pub(super) fn file_max() -> Met {
    let files = Facts::of_this_host().files;
    let known = |value: Option<u64>| value.map_or("?".to_owned(), number);
    let reason = format!(
        "while it is reached, every program of this host that is not root fails. {} of {} files are open now",
        known(files.open_count),
        known(files.file_max)
    );
    Met::NotHit { reason }
}
