//! `bench tail`: one reply in a hundred comes late; how many pages meet one, and what second copies do about it.

use crate::kinds::scenario::plan::{About, Length, Run};
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::record::{Better, Record};
use crate::kinds::scenario::remedies::scene::Scene;
use crate::kinds::scenario::remedies::table::{Figure, Picture, Remedies};
use crate::kinds::scenario::timeline::{Action, Ready, Role, Until, words};
use crate::session::host::Command;
use crate::session::namespace::{Needs, SERVER};
use crate::session::request::Profile;
use crate::session::side::Side;

const ABOUT: About = About {
    name: "tail",
    question: "One reply in a hundred comes late: how many pages are late, and do second copies help?",
    explanation: "A page needs the replies to several requests, sent at the same time, and is there with the last of them. If a share p of \
                  the replies is late, a page of n has none among them with (1 - p)^n. Here one reply in a hundred is held back for \
                  100 ms, by itself and at random. Arms are pages of other sizes, and pages of ten with second copies: hedged (of what \
                  has no reply when 95 of 100 have) or tied (two of everything).",
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
    arms,
    seconds: |arm, asked| (f64::from(asked * arm.stretch), 0.7),
    timeline,
    figures: &FIGURES,
    least: |scene| scene.fan_out.as_ref().map_or(0.0, |pages| 100.0 / pages.requests.scheduled.max(1) as f64),
    picture: Picture {
        title: "Response times of pages",
        y_name: "ms",
        caption: "Response times by quantile, in percent: each line goes up where its late pages begin.",
        points: by_quantile,
    },
    counters: &[(Side::Client, "OutSegs"), (Side::Server, "OutSegs"), (Side::Server, "RetransSegs")],
    foretell: |_| None,
    asides: |_| vec![],
    fault_shows: pages_are_late,
    expectations: &[the_formula_holds, hedges_help],
    happened,
    advice: |_| {
        "Measure how often one reply is late and how many a page needs: the page's share is 1 - (1 - p)^n. Where a second try may be lucky, \
         send it after a high quantile and under a budget, to another server; two copies of everything help little more and cost \
         a whole load."
            .to_owned()
    },
    notes: &NOTES,
};

/// Of the replies, how many of a thousand are late and by how much, and what a page may take.
const LATE_PERMILLE: u32 = 10;
const LATE_BY_MS: u32 = 100;
const SLOW_ABOVE_MS: u32 = 40;
/// Replies per second that pages of each size share: so few that the server never queues.
const REPLIES_PER_S: u32 = 2000;

/// Other pages are no remedy.
const OTHER_SIZES: &str = "Pages of other sizes";

fn arms(profile: Profile) -> Vec<Arm> {
    let stretch = if profile == Profile::Full { 10 } else { 1 };
    let arm = |name, what, load| Arm { load, stretch, ..Arm::named(name, what) };
    let size = |name, what, load| Arm { group: Some(OTHER_SIZES), ..arm(name, what, load) };
    let mut arms = vec![
        arm("pages of 10", "a page needs ten replies", "10"),
        size("single replies", "a page is one reply", "1"),
        size("pages of 2", "a page needs two replies", "2"),
        size("pages of 5", "a page needs five replies", "5"),
        size("pages of 20", "a page needs 20 replies", "20"),
        size("pages of 50", "a page needs 50 replies", "50"),
        size("pages of 100", "a page needs 100 replies", "100"),
        arm(
            "10, hedged",
            "a second copy of what has no reply when 95 of 100 have, at most 5 % of the replies (--hedge after=p95,budget=5%)",
            "10 --hedge after=p95,budget=5%",
        ),
        arm("10, tied", "two copies of everything at once (--tied)", "10 --tied"),
    ];
    if profile == Profile::Full {
        arms.push(arm(
            "10, hedged late",
            "a second copy after 5 ms, at most 2 % of the replies (--hedge after=5ms,budget=2%)",
            "10 --hedge after=5ms,budget=2%",
        ));
        arms.push(arm(
            "10, hedged with half a budget",
            "a second copy after 5 ms, at most 0.5 % of the replies, which is less than are late",
            "10 --hedge after=5ms,budget=0.5%",
        ));
    }
    arms
}

/// Replies that a page of an arm needs.
fn parts(arm: &Arm) -> u32 {
    arm.load.split(' ').next().and_then(|parts| parts.parse().ok()).unwrap_or(1)
}

fn timeline(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    // Each run draws its own late replies, or the two that do nothing would be one.
    let seed = run.seed.wrapping_add(u64::from(run.order));
    let (parts, seconds) = (parts(arm), run.seconds * arm.stretch);
    let more = arm.load.split_once(' ').map_or("", |(_, more)| more);
    // Without the fault no reply is held back.
    let late = if run.fault {
        format!("--late-permille {LATE_PERMILLE} --late-by {LATE_BY_MS}ms --seed {seed}")
    } else {
        String::new()
    };
    let server =
        format!("null-server http --listen {SERVER}:7000 --cpu {} --for {}s {late}", run.places.server, seconds + 60);
    let load = format!(
        "fan-out http://{SERVER}:7000/ --allow-private --connections 400 --parts {parts} --rate {} --warmup 500ms --duration {seconds}s \
         --timeout 1s --slow-above {SLOW_ABOVE_MS}ms --seed {seed} --cpu {} --json {more}",
        f64::from(REPLIES_PER_S) / f64::from(parts),
        run.places.client
    );
    let start = |role, ready, line: &str| Action::Start { role, command: Command::own(&words(line)), ready };
    vec![
        start(Role::Server, Ready::Announced, &server),
        Action::Observe,
        start(Role::Load, Ready::AtOnce, &load),
        Action::wait(Until::Ended(Role::Load)),
        Action::End(Role::Server),
    ]
}

const fn figure(name: &'static str, unit: &'static str, better: Better, of: fn(&Scene<'_>) -> Option<f64>) -> Figure {
    Figure { name, unit, better, is_generators_time: false, of }
}

const FIGURES: [Figure; 9] = [
    figure("late pages", "%", Better::Less, |scene| Some(scene.fan_out.as_ref()?.slow_requests? * 100.0)),
    figure("foretold", "%", Better::Less, foretold),
    figure("late replies", "%", Better::Less, |scene| Some(scene.fan_out.as_ref()?.slow_parts? * 100.0)),
    Figure {
        is_generators_time: true,
        ..figure("median", "ms", Better::Less, |scene| Some(scene.fan_out.as_ref()?.response_us.p50? / 1000.0))
    },
    Figure {
        is_generators_time: true,
        ..figure("p90", "ms", Better::Less, |scene| Some(scene.fan_out.as_ref()?.response_us.p90? / 1000.0))
    },
    Figure {
        is_generators_time: true,
        ..figure("p99", "ms", Better::Less, |scene| Some(scene.fan_out.as_ref()?.response_us.p99? / 1000.0))
    },
    figure("second copies", "% of the replies", Better::Less, |scene| {
        let parts = &scene.fan_out.as_ref()?.parts;
        (parts.asked > 0).then(|| 100.0 * parts.second as f64 / parts.asked as f64)
    }),
    figure("a hedge waits", "ms", Better::Less, |scene| Some(scene.fan_out.as_ref()?.hedge_after_us? / 1000.0)),
    figure("server's work", "replies for each asked", Better::Less, |scene| {
        let asked = scene.fan_out.as_ref()?.parts.asked_whole_run;
        (asked > 0).then_some(scene.null_served.as_ref()?.requests as f64 / asked as f64)
    }),
];

/// What independent replies foretell of pages, from the share of the replies in this run that were late.
fn foretold(scene: &Scene<'_>) -> Option<f64> {
    let record = scene.fan_out.as_ref()?;
    Some(100.0 * (1.0 - (1.0 - record.slow_parts?).powf(f64::from(record.parts_per_request))))
}

/// Quantiles that have a value, in percent, and the response time in ms.
fn by_quantile(scene: &Scene<'_>) -> Vec<(f64, f64)> {
    let Some(record) = &scene.fan_out else { return vec![] };
    record.response_us.printed().map(|(_, quantile, us)| (100.0 * quantile, us / 1000.0)).collect()
}

/// One page in ten has to be late, or no reply was.
fn pages_are_late(record: &Record) -> Option<String> {
    let late = record.median_of("pages of 10", "late pages").unwrap_or(0.0);
    (late < 3.0).then(|| format!("{late:.1} % of the pages of ten were late"))
}

/// Half of the pages of the largest size are late, so chance alone moves a run of some forty of them by eight percentage points.
const APART_MAX: f64 = 15.0;

fn the_formula_holds(record: &Record) -> Option<String> {
    let of = |arm: &str| record.median_of(arm, "late pages").zip(record.median_of(arm, "foretold"));
    let arms =
        ["single replies", "pages of 2", "pages of 5", "pages of 10", "pages of 20", "pages of 50", "pages of 100"];
    let apart =
        arms.into_iter().find(|arm| of(arm).is_none_or(|(late, foretold)| (late - foretold).abs() > APART_MAX))?;
    let words = of(apart).map(|(late, foretold)| format!(", {late:.0} % instead of {foretold:.0} %"));
    Some(format!("late pages are not what independent replies foretell ({apart}{})", words.unwrap_or_default()))
}

fn hedges_help(record: &Record) -> Option<String> {
    let of = |arm| record.median_of(arm, "late pages").unwrap_or(100.0);
    let (without, hedged) = (of("pages of 10"), of("10, hedged"));
    (hedged > without / 2.0)
        .then(|| format!("{hedged:.1} % of the hedged pages were late, {without:.1} % without second copies"))
}

fn happened(record: &Record) -> String {
    let of = |arm, figure| record.median_of(arm, figure).unwrap_or(0.0);
    format!(
        "{:.1} % of the replies came late, and {:.0} % of the pages that need ten (foretold {:.0} %), {:.0} % of those that need 100 \
         ({:.0} %). Second copies of {:.1} % of the replies left {:.1} % of the pages of ten late; two copies of everything {:.1} %, for \
         {:.2} times the server's work.",
        of("pages of 10", "late replies"),
        of("pages of 10", "late pages"),
        of("pages of 10", "foretold"),
        of("pages of 100", "late pages"),
        of("pages of 100", "foretold"),
        of("10, hedged", "second copies"),
        of("10, hedged", "late pages"),
        of("10, tied", "late pages"),
        of("10, tied", "server's work"),
    )
}

const NOTES: [&str; 6] = [
    "Lateness here belongs to a try, as that of a lock, a disk or a neighbour does: a second copy draws again. Where it belongs to the \
     request (a query that is costly each time), or to the whole server (a pause of its one loop), a second copy to the same place \
     is as late: then it has to go elsewhere, or does not help.",
    "Times count from when a page was meant to be asked for, and a page is there with the last of its replies. What a generator hides \
     that does not count so is another experiment: c10m bench omission.",
    "A hedge after the p95 is sent for one reply in twenty, though one in a hundred is late: that is its price, and the budget bounds it.",
    "HTTP/1.1 has no message that calls a request back, so the loser of two is answered, read and thrown away: the server works for \
     both. Closing its connection would cost a new one, and stop no work that has begun.",
    "Foretold is 1 - (1 - p)^n with the share p of late replies in the same run, after second copies where there are such.",
    "The server is the load generator's null server, one thread that does next to nothing; it is not loaded, so second copies cost it \
     no waiting. On a busy one they make queues longer, for everybody.",
];
