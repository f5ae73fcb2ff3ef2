//! The rounds of turns, from opening the connections to the record.

use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

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
/// Share of its windows that a round may lose: about a tick in a usual one, five to eight windows of 25 ms.
const DISTURBED_FROM: f64 = 0.05;
/// The least that /proc/stat shows. In a single window that much may have been lost before it.
const TICK_US: f64 = 10_000.0;

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
        // All servers of a round get the same arrivals.
        let (first, seed) = (record.turns.len(), random.next_u64());
        for target in &order {
            let Some(turn) = clients[*target].turn(seed) else {
                return Err(clients.swap_remove(*target).failed());
            };
            let start_us = turn.start_us.saturating_sub(begun_us);
            record.turns.push(Turn { target: *target, round: number, start_us, ..turn });
        }
        let round = round_of(&record.turns[first..]);
        undisturbed += u32::from(!round.is_disturbed);
        record.rounds.push(round);
    }
    record.targets = clients.into_iter().map(Attendant::finish).collect::<Result<_, _>>()?;
    Ok(record)
}

fn round_of(turns: &[Turn]) -> Round {
    let wall_us = turns.iter().map(|turn| turn.wall_ns / 1000).sum();
    let stolen_us = turns.iter().map(|turn| turn.stolen_us).sum::<Option<u64>>();
    let is_beyond = |stolen_us: Option<u64>, wall_us: u64, spared_us: f64| {
        stolen_us.is_some_and(|stolen_us| stolen_us as f64 > DISTURBED_FROM * wall_us as f64 + spared_us)
    };
    let is_disturbed = is_beyond(stolen_us, wall_us, 0.0)
        || turns.iter().any(|turn| is_beyond(turn.stolen_us, turn.wall_ns / 1000, TICK_US));
    Round { wall_us, stolen_us, is_disturbed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_disturbed_by_what_all_or_one_of_its_windows_lost() {
        for (window_ms, stolen_ms, expected) in [
            (25, vec![Some(0); 7], false),
            (25, vec![Some(10), Some(0), Some(0), Some(0), Some(0), Some(0), Some(0)], true),
            (25, vec![Some(10), Some(0), Some(0), Some(0), Some(0), Some(0), Some(0), Some(0)], false),
            (100, vec![Some(10), Some(10), Some(10), Some(0), Some(0), Some(0), Some(0), Some(0)], false),
            (100, vec![Some(20), Some(0), Some(0), Some(0), Some(0), Some(0), Some(0), Some(0)], true),
            (100, vec![Some(10); 8], true),
            (25, vec![None; 7], false),
        ] {
            let turn = |ms: &Option<u64>| Turn {
                wall_ns: window_ms * 1_000_000,
                stolen_us: ms.map(|ms| ms * 1000),
                ..Turn::default()
            };
            let turns: Vec<Turn> = stolen_ms.iter().map(turn).collect();
            assert_eq!(round_of(&turns).is_disturbed, expected, "{stolen_ms:?} of {window_ms}");
        }
    }
}
