//! The arguments of `c10m serve` about more connections than it can serve.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use clap::{Args, ValueEnum};
use protocol::Workload;
use server::{AcceptOrder, Admission, Variant, WaitingRoom, WhenShort};

use crate::count;

/// Longest time that a client is told to stay away, in seconds.
const RETRY_AFTER_S_MAX: i64 = 3600;

/// These arguments.
#[derive(Debug, Args)]
pub(super) struct AdmissionArgs {
    /// Connections that all reactors together accept per second at most, an equal share each; further ones wait in the
    /// accept queue [default: no limit].
    #[arg(long, value_name = "N", value_parser = count::nonzero)]
    accept_rate: Option<NonZeroU32>,
    /// Whom the accept rate takes in first. All who come are accepted at once and wait in the server, instead of in the
    /// accept queue [default: the oldest, from the accept queue]. Not with io_uring, nor with auto, which may choose it.
    #[arg(long, value_name = "ORDER", value_enum)]
    accept_order: Option<AcceptOrderArg>,
    /// Most connections that wait so in each reactor; when one more comes, the oldest is reset [default: 1024].
    #[arg(long, value_name = "N", value_parser = count::between(1, WaitingRoom::PLACES_MAX))]
    waiting_room: Option<u32>,
    /// Connections beyond the accept rate do not wait: their first request is answered 503 with `Retry-After: SECONDS`, and
    /// they close. For serve http.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=RETRY_AFTER_S_MAX))]
    retry_after: Option<u16>,
    /// What accept does when descriptors run out. All but pause let them run out: they use the fd limit up.
    #[arg(long, value_name = "WAY", value_enum, default_value_t = WhenShortArg::Pause)]
    when_short: WhenShortArg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum AcceptOrderArg {
    /// Who has waited longest.
    Oldest,
    /// Who came last: the others may have given up already.
    Newest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WhenShortArg {
    /// It rests for 100 ms, and connections wait in the accept queue.
    Pause,
    /// It tries again at once and fails again, as many servers do by mistake; epoll level only.
    Spin,
    /// It takes connections on a descriptor kept in reserve and resets them; epoll and mio only.
    Shed,
    /// It closes those that have been idle longest, up to 32 at once, and goes on; epoll and mio only.
    Evict,
}

impl AdmissionArgs {
    /// Refuses what the variant cannot do. `None` is the variant that `--backend auto` would choose: whether it is a usage
    /// error must not depend on the host.
    ///
    /// # Errors
    /// What does not fit, and why.
    pub(super) fn check_variant(&self, variant: Option<Variant>) -> Result<(), String> {
        if self.when_short == WhenShortArg::Spin && variant != Some(Variant::EpollLevel) {
            return Err("--when-short spin goes with --backend epoll --variant level: it shows what a level-triggered listener does to a loop that does not pause".into());
        }
        let accept_order = self.accept_order.map(|_| "--accept-order");
        only_readiness(
            accept_order,
            variant,
            "which has no place for accepted connections but that of those it serves",
        )?;
        let needs_descriptors = match self.when_short {
            WhenShortArg::Shed => Some("--when-short shed"),
            WhenShortArg::Evict => Some("--when-short evict"),
            WhenShortArg::Pause | WhenShortArg::Spin => None,
        };
        only_readiness(needs_descriptors, variant, "whose connections take slots of the ring instead of descriptors")
    }

    /// Refuses options without effect.
    ///
    /// # Errors
    /// Which, and what they need.
    pub(super) fn check_effects(&self, workload: Workload, idle_timeout: Duration) -> Result<(), String> {
        if self.retry_after.is_some() {
            if workload != Workload::Http {
                return Err("--retry-after goes with serve http: an echo has no words for it".into());
            }
            if self.accept_rate.is_none() {
                return Err("--retry-after has no effect without --accept-rate: nobody comes beyond it".into());
            }
            if self.accept_order.is_some() {
                return Err("--retry-after and --accept-order exclude each other: those beyond the rate are told to come again, or wait".into());
            }
        }
        if self.accept_order.is_some() && self.accept_rate.is_none() {
            return Err("--accept-order has no effect without --accept-rate: nobody waits for a turn".into());
        }
        if self.waiting_room.is_some() && self.accept_order.is_none() {
            return Err("--waiting-room has no effect without --accept-order: without an order, connections wait in the accept queue".into());
        }
        let most = Admission::EVICT_IDLE_TIMEOUT_MAX;
        if self.when_short == WhenShortArg::Evict && (idle_timeout.is_zero() || idle_timeout > most) {
            return Err(format!(
                "--when-short evict needs an --idle-timeout of at most {}, because the timers of idle connections tell which was idle longest",
                humantime::format_duration(most)
            ));
        }
        Ok(())
    }

    /// The settings that they stand for.
    pub(super) fn settings(&self) -> Admission {
        let waiting_room = self.accept_order.map(|order| WaitingRoom {
            order: match order {
                AcceptOrderArg::Oldest => AcceptOrder::Oldest,
                AcceptOrderArg::Newest => AcceptOrder::Newest,
            },
            places: self.waiting_room.and_then(NonZeroU32::new).unwrap_or(WaitingRoom::PLACES),
        });
        Admission {
            accept_rate: self.accept_rate,
            retry_after_s: self.retry_after.and_then(NonZeroU16::new),
            waiting_room,
            when_short: match self.when_short {
                WhenShortArg::Pause => WhenShort::Pause,
                WhenShortArg::Spin => WhenShort::Spin,
                WhenShortArg::Shed => WhenShort::Shed,
                WhenShortArg::Evict => WhenShort::Evict,
            },
        }
    }
}

/// Refuses an option, if it is given, with a variant that does not ask for each accept; `why` says what io_uring has
/// instead. `None` is the variant that `--backend auto` would choose.
///
/// # Errors
/// That it does not fit, and why.
pub(super) fn only_readiness(option: Option<&str>, variant: Option<Variant>, why: &str) -> Result<(), String> {
    match (option, variant) {
        (Some(option), None) => {
            Err(format!("{option} goes with --backend epoll or mio; --backend auto may choose io_uring, {why}"))
        }
        (Some(option), Some(variant)) if variant.is_uring() => {
            Err(format!("{option} goes with epoll and mio, not with io_uring, {why}"))
        }
        _ => Ok(()),
    }
}
