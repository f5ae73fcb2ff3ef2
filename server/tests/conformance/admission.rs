//! What a server does about more connections than it can serve. Judged by what it counts, never by a clock.

use std::num::NonZeroU32;

use protocol::Workload;
use server::{Counters, Endpoint, Options, Order, Variant};

use crate::harness::{Client, GET, PATIENCE, Running};

const RATE: u32 = 100;
/// Most connections between two pauses: the share of two ticks, and one that fractions make.
const BURST_MAX: u64 = 2 * RATE as u64 / 10 + 1;

fn limited(options: &mut Options) {
    options.admission.accept_rate = NonZeroU32::new(RATE);
}

/// What the server counts while these many clients, all connected at once, get one reply each.
fn counted(variant: Variant, clients: usize, change: impl FnOnce(&mut Options)) -> Counters {
    let server = Running::start(Workload::Http, variant, change);
    let addresses: Vec<_> = server.endpoints.iter().filter_map(Endpoint::tcp).collect();
    let addresses = addresses.iter().cycle().take(clients);
    let mut clients: Vec<Client> = addresses.map(|address| server.connect_to(*address)).collect();
    clients.iter_mut().for_each(|client| drop(client.get()));
    drop(clients);
    server.drain().totals
}

pub(crate) fn accept_rate(variant: Variant) {
    let limited = counted(variant, 60, limited);
    assert_eq!((limited.accepts, limited.requests, limited.accepts_beyond_rate), (60, 60, 0));
    assert!(limited.accepts <= (limited.rate_pauses + 1) * BURST_MAX, "{} pauses", limited.rate_pauses);
    let unlimited = counted(variant, 60, |_| {});
    assert_eq!((unlimited.accepts, unlimited.rate_pauses), (60, 0));
}

/// An accept of a ring may be under way at each listener; what it brings too many is counted, and owed.
pub(crate) fn rate_of_several_places(variant: Variant) {
    const PLACES: u64 = 3;
    let totals = counted(variant, 60, |options| {
        limited(options);
        options.listen = vec![options.listen[0].clone(); PLACES as usize];
    });
    assert_eq!(totals.accepts, 60);
    let beyond_max = if variant.is_uring() { (PLACES - 1) * (totals.rate_pauses + 1) } else { 0 };
    assert!(totals.accepts_beyond_rate <= beyond_max, "{} beyond the rate", totals.accepts_beyond_rate);
    // What was owed is made up for: all in all the rate holds.
    assert!(totals.accepts < (totals.rate_pauses + 1) * BURST_MAX + PLACES, "{} pauses", totals.rate_pauses);
}

/// What was queued when the drain began is still taken in at the rate.
pub(crate) fn rate_in_a_drain(variant: Variant) {
    let server = Running::start(Workload::Http, variant, |options| {
        limited(options);
        options.drain_timeout = PATIENCE;
    });
    let mut clients: Vec<Client> = (0..50).map(|_| server.connect()).collect();
    server.order(Order::Drain);
    clients.iter_mut().for_each(|client| client.write(GET));
    clients.iter_mut().for_each(|client| assert!(client.reply().is_some(), "a queued connection was lost"));
    drop(clients);
    let report = server.account();
    assert_eq!((report.exit_code(), report.totals.requests), (0, 50));
    assert!(report.totals.accepts <= (report.totals.rate_pauses + 1) * BURST_MAX);
}
