//! The profiles as files, for hosts without this program: what sysctl(8) and systemd take. Made from the rules for a host
//! that such a number of connections wants; `c10m tune apply` computes them for the host it runs on.

use std::collections::BTreeMap;

use crate::change::Profile;
use crate::change::files::{comment, sysctl_text, unit_lines};
use crate::knowledge::{Goal, How, Knowledge, Side, Variables};

/// A file, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileFile {
    /// Its name below the directory of profiles.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The host that a goal's files are made for.
pub fn host_of(goal: Goal) -> Variables {
    const GIB: f64 = (1_u64 << 30) as f64;
    let ram = match goal {
        Goal::C10k | Goal::ConnRate | Goal::Tail | Goal::Throughput => 4.0 * GIB,
        Goal::C1m => 32.0 * GIB,
        Goal::C10m => 128.0 * GIB,
    };
    const PAGE: f64 = 4096.0;
    Variables {
        ram: Some(ram),
        free_pages: Some(ram / PAGE),
        page: Some(PAGE),
        cpus: Some(8.0),
        hz: Some(250.0),
        // One bucket for each 128 KiB, at most 524,288 (net/ipv4/tcp.c, tcp_init).
        ehash: Some((ram / 131_072.0).min(524_288.0)),
        ..Variables::default()
    }
    .with_goal(goal)
}

/// The profile that a goal's files hold: what the kernel of such a host does not have by itself.
pub fn profile_of(knowledge: &Knowledge, goal: Goal, side: Side) -> Profile {
    let host = host_of(goal);
    let mut profile = Profile::of_goal(knowledge, goal, side, &host);
    profile.settings.retain(|wanted| {
        let default = knowledge.rule(&wanted.name).and_then(|rule| rule.default_value(&host));
        default.is_none_or(|default| wanted.how == How::Exactly || wanted.how.value(&default, &wanted.value) != default)
    });
    profile
}

/// Both files of each goal and side.
pub fn files(knowledge: &Knowledge) -> Vec<ProfileFile> {
    let mut files = Vec::new();
    for (name, goal, side) in all() {
        let profile = profile_of(knowledge, goal, side);
        let about = about(goal, &profile.name);
        if !profile.settings.is_empty() {
            let text = sysctl_text(&about, profile.settings.iter().map(|each| (each, each.value.as_str())));
            files.push(ProfileFile { name: format!("{name}.sysctl.conf"), text });
        }
        if let Some(open_files) = profile.open_files {
            let text = format!("{}\n{}", comment(&about), unit_lines("Service", open_files));
            files.push(ProfileFile { name: format!("{name}.service.conf"), text });
        }
    }
    files
}

/// The same as data, for programs that write the files on other hosts: profiles by name.
///
/// # Panics
/// Never: names and numbers can be written as JSON.
pub fn json(knowledge: &Knowledge) -> String {
    let profiles: BTreeMap<String, Profile> =
        all().map(|(name, goal, side)| (name, profile_of(knowledge, goal, side))).collect();
    serde_json::to_string_pretty(&profiles).expect("plain data") + "\n"
}

/// Every profile with the name of its files.
fn all() -> impl Iterator<Item = (String, Goal, Side)> {
    let sides = [(Side::Server, "server"), (Side::Client, "client")];
    Goal::ALL
        .into_iter()
        .flat_map(move |goal| sides.map(|(side, word)| (format!("{}-{word}", goal.name()), goal, side)))
}

fn about(goal: Goal, name: &str) -> String {
    let host = host_of(goal);
    format!(
        "{name}, for a host with {:.0} GiB of memory. `c10m tune apply {}` computes the values for the host it runs on. \
         What such a host's kernel has by itself is left out.",
        host.ram.unwrap_or_default() / (1_u64 << 30) as f64,
        goal.name()
    )
}
