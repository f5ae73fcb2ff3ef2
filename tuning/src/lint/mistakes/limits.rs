//! limits.conf, its syntax, and whom it reaches.

use std::collections::BTreeMap;

use super::found::Found;
use crate::State;
use crate::lint::containers::ContainerLine;
use crate::lint::limits::{Limit, Skipped, Value};
use crate::lint::line::Line;
use crate::lint::subject::Subject;
use crate::lint::value::Effective;

/// Users that distributions make for a service that many set limits for. A user of this name who logs in is rare.
const SERVICE_USERS: [&str; 18] = [
    "nginx",
    "www-data",
    "apache",
    "mysql",
    "mariadb",
    "postgres",
    "redis",
    "elasticsearch",
    "haproxy",
    "tomcat",
    "mongodb",
    "mongod",
    "rabbitmq",
    "kafka",
    "memcached",
    "squid",
    "varnish",
    "envoy",
];

pub(super) fn nofile_unlimited(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let says = "Open files cannot be unlimited: no hard limit can be above fs.nr_open. pam_limits before 1.5.2 fails at this and \
                refuses the login; later ones take fs.nr_open.";
    let mend = |limit: &Limit| format!("{} - nofile 1048576", limit.domain);
    let found = |limit: &Limit| Found::warn(&limit.at, says).mend(mend(limit));
    subject.limits.nofile().filter(|limit| limit.value == Value::Unlimited).map(found).collect()
}

/// The service that a user is there for, if systemd starts it.
fn service_of(subject: &Subject<'_>, user: &str) -> Option<String> {
    let unit = format!("{user}.service");
    if subject.units.names.contains(&unit) {
        return Some(unit);
    }
    (SERVICE_USERS.contains(&user) && subject.users.contains(user)).then(|| format!("the service of {user}"))
}

pub(super) fn for_service(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    if !subject.place.has_systemd {
        return Vec::new();
    }
    let found = |limit: &Limit| {
        let service = service_of(subject, limit.domain.trim_start_matches('@'))?;
        let says = format!(
            "pam_limits sets limits of login sessions. systemd starts {service} without one, so this line does not reach it."
        );
        let value = match limit.value.number() {
            Some(number) => number.to_string(),
            None => "524288".to_owned(),
        };
        let mend = format!(
            "systemctl edit {}, and write [Service] and LimitNOFILE={value}",
            service.trim_start_matches("the service of ")
        );
        Some(Found::warn(&limit.at, says).mend(mend))
    };
    subject.limits.nofile().filter_map(found).collect()
}

/// Said once for each file.
pub(super) fn not_for_services(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    if !subject.place.has_systemd {
        return Vec::new();
    }
    let says = "Services that systemd starts do not read this file. They have LimitNOFILE= of their unit.";
    let found =
        |at: &Line| Found::info(at, says).mend("nothing, if it is for logins; else LimitNOFILE= in the unit's drop-in");
    first_of_each_file(subject).into_iter().map(|limit| found(&limit.at)).collect()
}

pub(super) fn root_not_covered(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    if subject.limits.nofile().any(|limit| limit.domain == "root") {
        return Vec::new();
    }
    let found = |limit: &Limit| {
        let mend = format!("root - nofile {}, if root needs it", limit.written);
        Found::info(&limit.at, "* and @group do not cover root, who needs a line of its own.").mend(mend)
    };
    first_of_each_file(subject).into_iter().map(found).collect()
}

/// The first line of each file that sets open files for everybody.
fn first_of_each_file<'a>(subject: &Subject<'a>) -> Vec<&'a Limit> {
    let mut first: BTreeMap<&str, &Limit> = BTreeMap::new();
    for limit in subject.limits.nofile().filter(|limit| limit.domain == "*" && limit.at.is_of_admin()) {
        first.entry(&limit.at.file).or_insert(limit);
    }
    first.into_values().collect()
}

pub(super) fn soft_above_hard(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let mut found = Vec::new();
    let (mut soft, mut hard) = (BTreeMap::new(), BTreeMap::new());
    for limit in &subject.limits.lines {
        let key = (&limit.domain, &limit.item);
        if limit.bound.has_soft() {
            soft.insert(key, limit);
        }
        if limit.bound.has_hard() {
            hard.insert(key, limit);
        }
    }
    for (key, soft) in soft {
        let Some(hard) = hard.get(&key) else { continue };
        let (Some(most), soft_number) = (hard.value.number(), soft.value.number()) else { continue };
        let is_above = match soft.value {
            Value::Unlimited => true,
            _ => soft_number.is_some_and(|number| number > most),
        };
        if is_above {
            let says = format!(
                "The soft limit {} is above the hard one, {most}. pam_limits lowers it to the hard one.",
                soft.written
            );
            found.push(Found::warn(&soft.at, says).mend("raise the hard limit, or lower the soft one"));
        }
    }
    for unit in subject.units.lines() {
        found.extend(of_pair(&unit.line.at, unit.line.value.split_once(':'), "systemd ignores the line"));
    }
    for line in subject.containers {
        if let ContainerLine::Limit { at, soft, hard, .. } = line {
            found.extend(of_pair(at, Some((soft, hard)), "the container does not start"));
        }
    }
    found
}

/// `soft:hard` with the soft one above.
fn of_pair(at: &Line, pair: Option<(&str, &str)>, then: &str) -> Option<Found> {
    let (soft, hard) = pair?;
    let unlimited = |text: &str| matches!(text, "infinity" | "-1" | "unlimited");
    let most: u64 = hard.trim().parse().ok()?;
    let is_above = unlimited(soft.trim()) || soft.trim().parse::<u64>().is_ok_and(|soft| soft > most);
    let says = format!("The soft limit {soft} is above the hard one, {hard}: {then}.");
    is_above.then(|| Found::bad(at, says).mend("write the soft limit first, and not above the hard one"))
}

pub(super) fn syntax(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |skipped: &Skipped| {
        let says = format!("pam_limits skips this line: {}.", skipped.why);
        Found::bad(&skipped.at, says).mend("write a line such as: * soft nofile 65536")
    };
    subject.limits.skipped.iter().map(found).collect()
}

pub(super) fn number_cut(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |limit: &Limit| {
        let Value::Cut(number) = limit.value else { return None };
        let says = format!("pam_limits reads digits and stops, so {:?} becomes {number}.", limit.written);
        let state = if limit.written.starts_with(&format!("{number} ")) { State::Warn } else { State::Bad };
        Some(Found::new(state, &limit.at, says).mend("write the number in digits alone"))
    };
    subject.limits.lines.iter().filter_map(found).collect()
}
