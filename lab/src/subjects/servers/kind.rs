//! Which servers there are, and how they differ. Starts nothing.

use protocol::Workload;
use server::{Balance, Variant};

/// Number of reactors for the servers that compare ways of sharing connections out.
pub(crate) const REACTORS_BALANCED: usize = 4;

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `c10m serve` with one variant.
    C10m(Variant),
    /// `c10m serve` with several reactors on one CPU, and a way of sharing connections out among them.
    Balanced(Balance),
    /// nginx with one worker per CPU and logging off.
    Nginx,
    /// nginx with extra work for each request, so that it is slower than any generator.
    NginxBusy,
    /// h2o with one thread per CPU and a file of 13 bytes.
    H2o,
    /// haproxy with one thread per CPU. It answers by itself.
    Haproxy,
    /// lighttpd with one worker per CPU and a file of 13 bytes.
    Lighttpd,
    /// A server on a Rust library, from `peers/`.
    Crate(Crate),
}

impl Kind {
    /// Every server of another project, except the nginx that is slowed down on purpose.
    pub(crate) fn peers() -> impl Iterator<Item = Kind> {
        let programs = [Kind::Nginx, Kind::H2o, Kind::Haproxy, Kind::Lighttpd];
        programs.into_iter().chain(Crate::ALL.map(Kind::Crate))
    }

    /// The least number of reactors that it starts with.
    pub(crate) fn reactors_min(self) -> usize {
        if matches!(self, Kind::Balanced(_)) { REACTORS_BALANCED } else { 1 }
    }

    /// Whether it is this project's server.
    pub(crate) fn is_own(self) -> bool {
        matches!(self, Kind::C10m(_) | Kind::Balanced(_))
    }

    pub(crate) fn is_nginx(self) -> bool {
        matches!(self, Kind::Nginx | Kind::NginxBusy)
    }

    pub(crate) fn name(self) -> String {
        match self {
            Kind::C10m(variant) => variant.to_string(),
            Kind::Balanced(balance) => format!("{} × {} by {balance}", Variant::EpollLevel, REACTORS_BALANCED),
            Kind::NginxBusy => "busy nginx".to_owned(),
            Kind::Crate(peer) => peer.name.to_owned(),
            Kind::Nginx => "nginx".to_owned(),
            Kind::H2o => "h2o".to_owned(),
            Kind::Haproxy => "haproxy".to_owned(),
            Kind::Lighttpd => "lighttpd".to_owned(),
        }
    }

    /// Whether it supports this workload.
    pub(crate) fn serves(self, workload: Workload) -> bool {
        match self {
            Kind::C10m(_) | Kind::Balanced(_) => true,
            Kind::Crate(peer) => peer.workload == workload,
            _ => workload == Workload::Http,
        }
    }
}

/// One program of `peers/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crate {
    /// Name of the library. The program is `peer-NAME`.
    pub(crate) name: &'static str,
    /// The workload that it serves.
    pub(crate) workload: Workload,
}

impl Crate {
    /// All programs of `peers/`.
    pub(crate) const ALL: [Crate; 9] = [
        Crate { name: "hyper", workload: Workload::Http },
        Crate { name: "actix-web", workload: Workload::Http },
        Crate { name: "may_minihttp", workload: Workload::Http },
        Crate { name: "ntex", workload: Workload::Http },
        Crate { name: "tokio", workload: Workload::Echo },
        Crate { name: "monoio", workload: Workload::Echo },
        Crate { name: "compio", workload: Workload::Echo },
        Crate { name: "glommio", workload: Workload::Echo },
        Crate { name: "ringline", workload: Workload::Echo },
    ];
}
