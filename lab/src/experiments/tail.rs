//! `bench tail`: one reply in a hundred comes late; how many pages meet one, what second copies do about it, and what load
//! generators make of a server that stalls.

mod arms;
mod figures;
mod formula;
mod reported;

use crate::kinds::scenario::plan::{About, Length, Run};
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::record::Record;
use crate::kinds::scenario::remedies::table::{Picture, Remedies};
use crate::kinds::scenario::timeline::{Action, Ready, Role, Until, words};
use crate::session::host::Command;
use crate::session::namespace::{Needs, SERVER};
use crate::session::request::Profile;
use crate::session::side::Side;
use arms::{HEDGED, LATE_PERMILLE, PAGES, REPLIES_PER_S, REPORTED, SAME, STALL_MS, STALLING, TIED, parts};
use figures::{SECOND, STALL_EVERY_MS, WORK};
use formula::{FORETOLD, LATE, LATE_REPLIES};

const ABOUT: About = About {
    name: "tail",
    question: "One reply in a hundred comes late: how many pages are late, and do second copies help?",
    explanation: "A page needs the replies to several requests, sent at the same time, and is there with the last of them. If a share p of \
                  the replies is late, a page of n has none among them with (1 - p)^n. Here one reply in a hundred is held back for \
                  100 ms, by itself and at random, by either of two servers. Arms are pages of other sizes, and pages of ten with \
                  second copies to the other server: hedged (of what has no reply when 95 of 100 have) or tied (two of everything). \
                  Beside them load generators report of one server that stalls.",
    decision: "Share of the pages that take more than 40 ms, against pages of ten without second copies, repeat by repeat, with \
               simultaneous intervals of 95 %. Less than 10 % does not count.",
    profiles: &[Profile::Quick, Profile::Full],
    length: Length::Usual { repeats: 4, seconds: 1 },
    wait_max: None,
    attempts_max: 2,
    needs: Needs::Hosts,
    has_control: true,
};

/// The experiment.
pub(super) const SCENARIO: Remedies = Remedies {
    about: ABOUT,
    load: "2,000 replies a second, for pages of 1 to 100",
    arms: arms::arms,
    seconds: |arm, asked| (f64::from(asked * arm.stretch), 0.7),
    timeline,
    figures: &figures::FIGURES,
    least: |scene| scene.fan_out.as_ref().map_or(0.0, |pages| 100.0 / pages.requests.scheduled.max(1) as f64),
    picture: Picture {
        title: "Response times of pages",
        y_name: "ms",
        caption: "Response times by quantile, in percent: each line goes up where its late pages begin.",
        points: figures::by_quantile,
    },
    counters: &[(Side::Client, "OutSegs"), (Side::Server, "OutSegs"), (Side::Server, "RetransSegs")],
    foretell: formula::foretell,
    asides: |_| vec![],
    fault_shows: pages_are_late,
    expectations: &[formula::holds, hedges_help],
    happened,
    advice: |_| {
        "Measure how often one reply is late and how many a page needs: the page's share is 1 - (1 - p)^n. Where a second try may be lucky, \
         send it after a high quantile and under a budget, to another server; two copies of everything help little more and cost \
         a whole load."
            .to_owned()
    },
    notes: &NOTES,
};

/// By how much late replies are late, and what a page may take.
const LATE_BY_MS: u32 = 100;
const SLOW_ABOVE_MS: u32 = 40;
const STALLS_EVERY_MS: [u32; 2] = [5000, 3700];
fn timeline(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    // Each run draws its own late replies, or the two that do nothing would be one.
    let seed = run.seed.wrapping_add(u64::from(run.order));
    let seconds = run.seconds * arm.stretch;
    let server = |number: usize| {
        let fault = match arm.group {
            // Without the fault no reply is held back, and nothing stalls.
            _ if !run.fault => String::new(),
            Some(REPORTED) => format!("--stall {STALL_MS}ms --every {STALL_EVERY_MS}ms"),
            Some(STALLING) => format!("--stall {STALL_MS}ms --every {}ms", STALLS_EVERY_MS[number]),
            _ => {
                let seed = seed.wrapping_mul(2).wrapping_add(number as u64);
                format!("--late-permille {LATE_PERMILLE} --late-by {LATE_BY_MS}ms --seed {seed}")
            }
        };
        let (port, cpu) = (7000 + number, run.places.server);
        format!("null-server http --listen {SERVER}:{port} --cpu {cpu} --for {}s {fault}", seconds + 60)
    };
    let start = |role, ready, command| Action::Start { role, command, ready };
    let own = |line: &str| Command::own(&words(line));
    let has_second = arm.tool.is_none() && arm.name != SAME;
    let load = match arm.tool {
        Some(tool) => reported::command(tool, run, seconds),
        None => own(&fan_out(arm, run, seed, has_second)),
    };
    let mut actions = vec![start(Role::Server, Ready::Announced, own(&server(0)))];
    actions.extend(has_second.then(|| start(Role::SecondServer, Ready::Announced, own(&server(1)))));
    actions.extend([
        Action::Observe,
        start(Role::Load, Ready::AtOnce, load),
        Action::wait(Until::Ended(Role::Load)),
        Action::End(Role::Server),
    ]);
    actions.extend(has_second.then_some(Action::End(Role::SecondServer)));
    actions
}

/// The words of a fan-out over the servers.
fn fan_out(arm: &Arm, run: &Run<'_>, seed: u64, has_second: bool) -> String {
    let second = if has_second { format!("http://{SERVER}:7001/") } else { String::new() };
    let parts = parts(arm);
    format!(
        "fan-out http://{SERVER}:7000/ {second} --allow-private --connections 200 --parts {parts} --rate {} --warmup 500ms --duration {}s \
         --timeout 1s --slow-above {SLOW_ABOVE_MS}ms --seed {seed} --cpu {} --json {}",
        f64::from(REPLIES_PER_S) / f64::from(parts),
        run.seconds * arm.stretch,
        run.places.client,
        arm.load
    )
}

/// One page in ten has to be late, or no reply was.
fn pages_are_late(record: &Record) -> Option<String> {
    let late = record.median_of(PAGES, LATE).unwrap_or(0.0);
    (late < 3.0).then(|| format!("{late:.1} % of the pages of ten were late"))
}

fn hedges_help(record: &Record) -> Option<String> {
    let of = |arm| record.median_of(arm, LATE).unwrap_or(100.0);
    let (without, hedged) = (of(PAGES), of(HEDGED));
    (hedged > without / 2.0)
        .then(|| format!("{hedged:.1} % of the hedged pages were late, {without:.1} % without second copies"))
}

fn happened(record: &Record) -> String {
    let of = |arm, figure| record.median_of(arm, figure).unwrap_or(0.0);
    format!(
        "{:.1} % of the replies came late, and {:.0} % of the pages that need ten (foretold {:.0} %), {:.0} % of those that need 100 \
         ({:.0} %). Second copies of {:.1} % of the replies left {:.1} % of the pages of ten late; two copies of everything {:.1} %, for \
         {:.2} times the work.{}",
        of(PAGES, LATE_REPLIES),
        of(PAGES, LATE),
        of(PAGES, FORETOLD),
        of("pages of 100", LATE),
        of("pages of 100", FORETOLD),
        of(HEDGED, SECOND),
        of(HEDGED, LATE),
        of(TIED, LATE),
        of(TIED, WORK),
        reported::sentence(record),
    )
}

const NOTES: [&str; 8] = [
    "Lateness here belongs to a try, as that of a lock, a disk or a neighbour does: a second copy draws again. Where it belongs to the \
     request (a query that is costly each time), a second copy is as late. Where it belongs to a whole server (a pause of its one \
     loop), it has to go elsewhere: the full profile has servers that stall, each at times of its own.",
    "Parts go to the two servers in turn, and a second copy always goes to the server that has not got the first one.",
    "Times count from when a page was meant to be asked for, and a page is there with the last of its replies.",
    "A hedge is sent for what has no reply after the time within which 95 of 100 replies came in the warm-up, so for up to one reply in \
     twenty, though one in a hundred is late: that is its price, and the budget bounds it at 5 % of the replies. How many were sent \
     stands in the table.",
    "HTTP/1.1 has no message that calls a request back, so the loser of two is answered, read and thrown away: the servers work for \
     both. Closing its connection would cost a new one, and stop no work that has begun.",
    "Foretold is 1 - (1 - p)^n with the share p of late replies in the same run, after second copies where there are such. It is judged by \
     the pages of all repeats: what chance does beyond four standard deviations of how late replies fall together, and a page, is \
     too much.",
    "The servers are the load generator's null servers, a thread each on one CPU that does next to nothing; they are not loaded, so second \
     copies cost no waiting. On busy ones they make queues longer, for everybody.",
    "Load generators ask for 2,000 requests a second over ten connections where they can hold a rate: ten requests under way in a stall are \
     less than one in a hundred, so a p99 of them alone does not see it. In truth is the closed form over the \
     stalls as the server logged them, for requests that wait for nobody. More of them, and what each claims: c10m bench omission.",
];
