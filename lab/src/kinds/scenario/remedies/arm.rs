//! One arm of a scenario about remedies: what it gives to the server, to the load generator and to the hosts.

use crate::session::side::Side;
use crate::subjects::tools::tool::Tool;

/// One way to deal with the trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arm {
    pub(crate) name: &'static str,
    /// What is done, in a few words.
    pub(crate) what: &'static str,
    /// Arguments that the server gets beside those of every arm.
    pub(crate) serve: &'static str,
    /// The same for the load generator.
    pub(crate) load: &'static str,
    /// Settings of the hosts (sysctl(8)) beside those of every arm.
    pub(crate) settings: &'static [(Side, &'static str, &'static str)],
    /// Most connections at a time: what memory must have room for.
    pub(crate) connections_max: u32,
    /// Addresses of the client's host.
    pub(crate) addresses: u8,
    /// How often the usual seconds the window is long.
    pub(crate) stretch: u32,
    /// Its arms go through something else than the first arm does: they are shown in a table of their own, by this title,
    /// and not compared with it.
    pub(crate) group: Option<&'static str>,
    /// Most repeats of it; absent: as many as of every arm. One that is not compared needs fewer.
    pub(crate) repeats_max: Option<u32>,
    /// A program that it cannot do without.
    pub(crate) program: Option<&'static str>,
    /// The load generator whose own figures it is about, in the role of the load.
    pub(crate) tool: Option<Tool>,
}

impl Arm {
    /// An arm that does nothing.
    pub(crate) const fn named(name: &'static str, what: &'static str) -> Arm {
        Arm {
            name,
            what,
            serve: "",
            load: "",
            settings: &[],
            connections_max: 10_000,
            addresses: 1,
            stretch: 1,
            group: None,
            repeats_max: None,
            program: None,
            tool: None,
        }
    }
}
