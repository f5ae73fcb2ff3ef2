//! A planted cost is really paid, for each request or for the first of each connection, whichever loop answers it.

use std::num::NonZeroU32;
use std::time::Duration;

use protocol::Workload;
use server::{Report, Variant};

use crate::harness::{GET, Running};

const REQUESTS: u32 = 200;
const PLANTED: Duration = Duration::from_micros(500);
/// Requests on HTTP arrive this many at a time, those on echo one by one.
const BATCH: u32 = 20;
/// Connections that say hello.
const HELLOS: u32 = 20;
/// Of all that was planted, what must be found. The kernel tells user and system time in steps of 10 ms each, which
/// is a fifth.
const LEAST: Duration = PLANTED.saturating_mul(REQUESTS).saturating_mul(6).checked_div(10).expect("not zero");

/// CPU time of the reactor that answers all requests.
fn cpu_time(variant: Variant, workload: Workload, handicap_ns: Option<NonZeroU32>) -> Duration {
    let server = Running::start(workload, variant, |options| options.handicap_ns = handicap_ns);
    let mut client = server.connect();
    match workload {
        Workload::Echo => (0..REQUESTS).for_each(|_| client.echo(b"ping")),
        Workload::Http => {
            for _ in 0..REQUESTS / BATCH {
                client.write(GET.repeat(BATCH as usize));
                (0..BATCH).for_each(|_| assert!(client.reply().is_some()));
            }
        }
    }
    drop(client);
    let report = server.drain();
    assert_eq!((report.totals.requests, report.handicap_ns), (REQUESTS.into(), handicap_ns));
    time_of(&report)
}

fn time_of(report: &Report) -> Duration {
    let time = report.reactors[0].cpu_time;
    Duration::from_micros(time.user_us + time.system_us)
}

/// CPU time of the reactor that says hello to some connections, each of which has more requests than one.
fn hello_time(variant: Variant, workload: Workload, hello_cost_ns: Option<NonZeroU32>) -> Duration {
    let server = Running::start(workload, variant, |options| options.hello_cost_ns = hello_cost_ns);
    for _ in 0..HELLOS {
        let mut client = server.connect();
        for _ in 0..REQUESTS / HELLOS {
            match workload {
                Workload::Echo => client.echo(b"ping"),
                Workload::Http => drop(client.get()),
            }
        }
    }
    // It never asks for anything, so it says no hello.
    drop(server.connect());
    let report = server.drain();
    let numbers = (report.totals.requests, report.totals.first_requests);
    assert_eq!(numbers, (REQUESTS.into(), HELLOS.into()));
    time_of(&report)
}

/// As much as all requests of the other test cost together, so that the same is to be found; and less than if every
/// request paid.
pub(crate) fn the_first_request_pays(variant: Variant) {
    let planted = NonZeroU32::new((PLANTED * REQUESTS / HELLOS).subsec_nanos());
    for workload in [Workload::Echo, Workload::Http] {
        let mut seen = Vec::new();
        let mut is_found = || {
            let (without, with) = (hello_time(variant, workload, None), hello_time(variant, workload, planted));
            seen.push((without, with));
            without < LEAST && with >= without + LEAST && with < PLANTED * REQUESTS * 5
        };
        let found = (0..5).any(|_| is_found());
        assert!(found, "{variant}, {workload}: {LEAST:?} more are planted, but without and with it took {seen:?}");
    }
}

pub(crate) fn every_request_pays(variant: Variant) {
    let planted = NonZeroU32::new(PLANTED.subsec_nanos());
    for workload in [Workload::Echo, Workload::Http] {
        let mut seen = Vec::new();
        let mut is_found = || {
            let (without, with) = (cpu_time(variant, workload, None), cpu_time(variant, workload, planted));
            seen.push((without, with));
            without < LEAST && with >= without + LEAST
        };
        // A guest's clock may count time that its host gave to others as CPU time: try again.
        let found = (0..5).any(|_| is_found());
        assert!(found, "{variant}, {workload}: {LEAST:?} more are planted, but without and with it took {seen:?}");
    }
}
