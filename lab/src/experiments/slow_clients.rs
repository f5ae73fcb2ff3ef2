//! `bench slow-clients`: clients that are slow on purpose take a server's places, and which limit gets rid of them.

mod arms;
mod figures;

use std::time::Duration;

use crate::kinds::scenario::plan::{About, Length, Run};
use crate::kinds::scenario::remedies::arm::Arm;
use crate::kinds::scenario::remedies::record::Record;
use crate::kinds::scenario::remedies::scene::replies_per_s;
use crate::kinds::scenario::remedies::table::{Picture, Remedies};
use crate::kinds::scenario::timeline::{Action, Ready, Role, Until, words};
use crate::session::host::Command;
use crate::session::namespace::{Needs, SERVER};
use crate::session::request::Profile;
use crate::session::side::Side;
use figures::ANSWERED;

const ABOUT: About = About {
    name: "slow-clients",
    question: "Clients are slow on purpose: what do they take from the others, and which limit gives it back?",
    explanation: "Ordinary clients are served when 1,200 come that are slow: they never finish the head of a request (slowloris), drip \
                  its body, do not read the reply, or say nothing. The server has 1,000 places. It takes next to no traffic to \
                  keep them, and whoever connects meanwhile waits in the accept queue. Each arm is a kind of slowness, without a \
                  limit or with the one that should answer it; the first is slow heads without any.",
    decision: "Share of the ordinary requests that are answered well within half a second, against slow heads without a limit, repeat by repeat, with \
               simultaneous intervals of 95 %. Less than 10 % does not count. Other kinds without a limit are arms too: where they are \
               no different, they do the same harm.",
    profiles: &[Profile::Quick, Profile::Full],
    length: Length::Usual { repeats: 4, seconds: 2 },
    wait_max: None,
    attempts_max: 2,
    needs: Needs::Hosts,
    has_control: true,
};

/// The experiment.
pub(super) const SCENARIO: Remedies = Remedies {
    about: ABOUT,
    load: "50 ordinary clients, 1,000 requests a second; 1,200 slow ones come",
    arms: arms::arms,
    seconds: |arm, asked| (window_ms(arm, asked) as f64 / 1000.0, 0.3),
    timeline,
    figures: &figures::FIGURES,
    least: |scene| scene.one_request_percent(),
    picture: Picture {
        title: "Replies per second to ordinary clients",
        y_name: "replies/s",
        caption: "Replies per second to the ordinary clients, who open a connection for every four requests. The slow ones come at 0.4 s.",
        points: |scene| scene.by_interval(replies_per_s),
    },
    counters: &[
        (Side::Client, "ActiveOpens"),
        (Side::Server, "PassiveOpens"),
        (Side::Server, "ListenOverflows"),
        (Side::Server, "TCPAbortOnTimeout"),
        (Side::Server, "TCPAbortOnMemory"),
        (Side::Server, "OutRsts"),
    ],
    foretell: |_| None,
    asides: |_| vec![],
    fault_shows: others_starve,
    expectations: &[the_head_timeout_helps],
    happened,
    advice: |_| {
        "Give a whole head, and a whole body, a time of its own: a timeout that a byte in time starts anew answers no slow client. Give \
         replies that are not read, and connections that say nothing, a timeout too; all of them shorter than the time in which \
         slow clients could fill the server's places."
            .to_owned()
    },
    notes: &NOTES,
};

/// Places of the server, and slow clients that want them.
const PLACES: u32 = 1000;
const SLOW: u32 = 1200;
/// When the slow clients come, and how long they outstay the ordinary ones.
const CALM_MS: u64 = 400;
const AFTER_MS: u64 = 100;
/// The window for each second asked for: what an answer in a minute and a half leaves room for.
const WINDOW_MS: u64 = 900;

fn window_ms(arm: &Arm, asked: u32) -> u64 {
    u64::from(asked * arm.stretch) * WINDOW_MS
}

fn timeline(arm: &Arm, run: &Run<'_>) -> Vec<Action> {
    let (places, window) = (run.places, window_ms(arm, run.seconds));
    let server = format!(
        "serve http --listen {SERVER}:7000 --reactors 1 --cpus {} --max-connections {PLACES} --json {}",
        places.server, arm.serve
    );
    let load = format!(
        "load http://{SERVER}:7000/ --allow-private --connections 50 --threads 1 --cpus {} --rate 1000 --requests-per-connection 4 \
         --timeout 1s --connect-timeout 1s --duration {window}ms --warmup 0s --spin 0s --interval 100ms --seed {} --json",
        places.client, run.seed
    );
    let start = |role, command, ready| Action::Start { role, command, ready };
    let mut actions = vec![
        start(Role::Server, Command::own(&words(&server)), Ready::Announced),
        Action::Observe,
        start(Role::Load, Command::own(&words(&load)), Ready::AtOnce),
        Action::rest(Duration::from_millis(CALM_MS)),
    ];
    if run.fault {
        let stay_ms = (window + AFTER_MS).saturating_sub(CALM_MS);
        actions.push(start(Role::Slow, slow(arm, places.client, stay_ms), Ready::AtOnce));
    }
    actions.push(Action::wait(Until::Ended(Role::Load)));
    if run.fault {
        actions.push(Action::wait(Until::Ended(Role::Slow)));
    }
    actions.push(Action::End(Role::Server));
    actions
}

/// The slow clients of an arm.
fn slow(arm: &Arm, cpu: usize, stay_ms: u64) -> Command {
    if let Some(tool) = arm.program {
        let (mode, path) = (arm.load, if arm.load.contains("-B") { "echo" } else { "" });
        let seconds = stay_ms.div_ceil(1000);
        let line = format!("{mode} -c {SLOW} -r {SLOW} -i 1 -l {seconds} -x 24 -p 1 -u http://{SERVER}:7000/{path}");
        return Command { cpus: vec![cpu], ..Command::other(tool, &words(&line), tool) };
    }
    let mut parts = arm.load.splitn(3, ' ');
    let mut part = || parts.next().unwrap_or_default();
    let (kind, path, more) = (part(), part(), part());
    let (count, interval) = match kind {
        // Each byte costs the server a receive: as many clients as it bears.
        "segments" => (200, "--interval 20ms"),
        "heads" | "bodies" => (SLOW, "--interval 100ms"),
        _ => (SLOW, ""),
    };
    let line = format!(
        "slow {kind} http://{SERVER}:7000{path} --allow-private --connections {count} --connect-rate 10000 --duration {stay_ms}ms --cpu \
         {cpu} --json {interval} {more}"
    );
    Command::own(&words(&line))
}

/// Without a limit the others have to be left without service, or there is nothing to mend.
fn others_starve(record: &Record) -> Option<String> {
    let answered = record.median_of("heads", ANSWERED).unwrap_or(100.0);
    (answered > 60.0)
        .then(|| format!("{answered:.0} % of the ordinary requests were answered beside slow heads without a limit"))
}

/// The one remedy that every server has must give service back, or these are not its clients.
fn the_head_timeout_helps(record: &Record) -> Option<String> {
    let of = |arm| record.median_of(arm, ANSWERED).unwrap_or(0.0);
    let (without, with) = (of("heads"), of("heads, head timeout"));
    (with < without + 10.0).then(|| {
        format!("beside slow heads {without:.0} % of the ordinary requests were answered without a limit, and {with:.0} % with a head timeout")
    })
}

fn happened(record: &Record) -> String {
    let of = |arm, figure| record.median_of(arm, figure).unwrap_or(0.0);
    let answered = |arm| of(arm, ANSWERED);
    let most = ["heads", "bodies", "unread"].map(|arm| of(arm, "kernel's TCP buffers") + of(arm, "server's buffers"));
    format!(
        "1,200 slow clients took a server's 1,000 places: beside slow heads {:.0} % of the ordinary requests were answered, with a timeout \
         for a head {:.0} %. Slow bodies do the same ({:.0} %), a stall timeout leaves it at {:.0} %, and a timeout for a whole body makes it \
         {:.0} %. Slow heads held {:.0} MiB of buffers, bodies {:.0}, unread replies {:.0}.",
        answered("heads"),
        answered("heads, head timeout"),
        answered("bodies"),
        answered("bodies, stall timeout"),
        answered("bodies, body timeout"),
        most[0],
        most[1],
        most[2],
    )
}

const NOTES: [&str; 6] = [
    "The timeouts are 300 ms, so that an answer fits a run of two seconds; a server for people takes some ten times as much. Slow clients \
     come at 0.4 s, and the answer takes a tick of the server's clock (100 ms) more.",
    "A reply counts within half a second. The timeouts are shorter, so whoever waits until one acts is still answered in time: the share \
     says whether service comes back, and the p99 what the wait until then is.",
    "The kernel's TCP buffers are those of this machine, so of both sides, and of whoever else uses it: the growth over the run, at its \
     highest. A client that does not read has a receive buffer of 4 KiB; what it asked for waits at the server.",
    "A client that does not read does not notice a FIN behind what it has not read, so it counts as open; how many the server closed \
     stands beside it. Their bytes stay in the kernel until it gives the orphans up.",
    "An idle timeout is felt by ordinary clients too, if they are silent for longer than it.",
    "slowhttptest sends a field every second instead of a byte every 100 ms, and stays for whole seconds.",
];
