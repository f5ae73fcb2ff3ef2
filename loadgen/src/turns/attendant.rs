//! The client of one server: a thread with descriptors of its own, which loads its server when it is its turn.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use host::{SlabCache, process};
use protocol::client::Client;
use random::Random;

use super::client::Connections;
use super::error::TurnsError;
use super::options::{Life, Options, Target};
use super::record::{Turn, Whole};
use super::standing::Standing;

/// A client that waits for its turn.
pub(super) struct Attendant<'s> {
    /// The seed of each turn.
    turns: Sender<u64>,
    /// `None` when it is ready, then what each turn gave.
    news: Receiver<Option<Turn>>,
    thread: ScopedJoinHandle<'s, Result<Whole, TurnsError>>,
    pid: u32,
    /// Before the connections were opened, and when they were open; empty where they do not stay.
    bytes: [Bytes; 2],
}

/// Memory at one moment. What cannot be read is absent.
#[derive(Debug, Clone, Copy, Default)]
struct Bytes {
    process: Option<f64>,
    kernel: Option<f64>,
}

impl Bytes {
    fn read(pid: u32) -> Bytes {
        Bytes { process: Bytes::of_process(pid), kernel: SlabCache::all_bytes() }
    }

    fn of_process(pid: u32) -> Option<f64> {
        process::anonymous_bytes(pid).ok().map(|bytes| bytes as f64)
    }
}

impl<'s> Attendant<'s> {
    /// Starts it, and returns when all its connections are open and answered.
    pub(super) fn start<'e, C: Client>(
        scope: &'s Scope<'s, 'e>,
        options: &'e Options,
        target: Target,
        client: &'e (impl Fn(&Target) -> C + Sync),
    ) -> Result<Attendant<'s>, TurnsError> {
        let ((turns, asked), (told, news)) = (channel(), channel());
        // The others are silent meanwhile, so what grows is for this one.
        let before = Bytes::read(target.pid);
        let thread = Builder::new()
            .name(format!("turns {}", target.address.port()))
            .spawn_scoped(scope, move || attend(options, target, client, &asked, &told))
            .map_err(TurnsError::Client)?;
        let attendant = Attendant { turns, news, thread, pid: target.pid, bytes: Default::default() };
        match attendant.news.recv() {
            Ok(_) if options.life == Life::Goes => Ok(attendant),
            Ok(_) => Ok(Attendant { bytes: [before, Bytes::read(target.pid)], ..attendant }),
            Err(_) => Err(attendant.failed()),
        }
    }

    /// Has it load its server for a turn. `None`: it has ended with an error, see [`Attendant::failed`].
    pub(super) fn turn(&self, seed: u64) -> Option<Turn> {
        self.turns.send(seed).ok()?;
        self.news.recv().ok().flatten()
    }

    /// Ends it, and returns what is left to say of its server.
    pub(super) fn finish(self) -> Result<Whole, TurnsError> {
        let last = Bytes::of_process(self.pid);
        drop(self.turns);
        let whole = self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let [before, open] = self.bytes;
        // Less than nothing is memory that others gave back meanwhile.
        let grown = |after: Option<f64>, before: Option<f64>| Some(after? - before?).filter(|bytes| *bytes >= 0.0);
        Ok(Whole {
            process_bytes_grown: grown(open.process.zip(last).map(|(open, last)| open.max(last)), before.process),
            kernel_bytes_grown: grown(open.kernel, before.kernel),
            ..whole
        })
    }

    /// Why it ended before it was asked to.
    pub(super) fn failed(self) -> TurnsError {
        self.finish().expect_err("it ends early only with an error")
    }
}

fn attend<C: Client>(
    options: &Options,
    target: Target,
    client: &(impl Fn(&Target) -> C + Sync),
    asked: &Receiver<u64>,
    told: &Sender<Option<Turn>>,
) -> Result<Whole, TurnsError> {
    sys::thread::unshare_fd_table(&[]).map_err(TurnsError::Client)?;
    let mut standing = Standing::new(Connections::open(target, client(&target), options)?);
    standing.greet()?;
    // Whoever does not listen any more has an error of his own.
    let _ = told.send(None);
    for seed in asked {
        let turn = standing.turn(options, &mut Random::new(seed))?;
        let _ = told.send(Some(turn));
    }
    Ok(standing.whole())
}
