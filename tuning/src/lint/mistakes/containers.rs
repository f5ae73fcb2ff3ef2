//! Settings of containers.

use super::found::Found;
use crate::knowledge::Scope;
use crate::lint::containers::ContainerLine;
use crate::lint::subject::Subject;
use crate::lint::value::Effective;

/// What a container can have of its own besides net.*: runc's libcontainer/configs/validate and crun name the same.
const NAMESPACED: [&str; 9] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
    "kernel.domainname",
];

pub(super) fn host_wide(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |line: &ContainerLine| {
        let ContainerLine::Sysctl { at, key, .. } = line else { return None };
        let is_of_network = key.starts_with("net.");
        let says = if is_of_network {
            let rule = subject.rule(key).filter(|rule| rule.scope == Scope::Host)?;
            format!(
                "{} is a setting of the whole host. A container's network namespace cannot have its own, and the container does not start.",
                rule.name
            )
        } else if NAMESPACED.contains(&key.as_str()) || key.starts_with("fs.mqueue.") {
            return None;
        } else {
            format!("{key} is a setting of the whole host, and the runtime refuses it. The container does not start.")
        };
        Some(Found::bad(at, says).mend("set it on the host, in /etc/sysctl.d"))
    };
    subject.containers.iter().filter_map(found).collect()
}

pub(super) fn docker_sysctls(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let found = |line: &ContainerLine| {
        let ContainerLine::DockerSysctls { at } = line else { return None };
        let says =
            "dockerd has no setting for sysctls of all containers. It does not start with a key that it does not know.";
        Some(Found::bad(at, says).mend("docker run --sysctl KEY=VALUE, or sysctls: in a compose file"))
    };
    subject.containers.iter().filter_map(found).collect()
}

pub(super) fn limit_syntax(subject: &Subject<'_>, _: &[Effective]) -> Vec<Found> {
    let is_number = |text: &str| text.parse::<i64>().is_ok() || text == "unlimited";
    let found = |line: &ContainerLine| {
        let ContainerLine::Limit { at, name, soft, hard } = line else { return None };
        let wrong = [soft, hard].into_iter().find(|text| !is_number(text))?;
        let says = format!("{wrong} is no number, and the runtime refuses the limit {name}.");
        Some(Found::bad(at, says).mend("write digits alone"))
    };
    subject.containers.iter().filter_map(found).collect()
}
