//! The arguments of `c10m serve` about more connections than it can serve.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::{Args, ValueEnum};
use server::{Admission, Variant, WhenShort};

use crate::count;

/// These arguments.
#[derive(Debug, Args)]
pub(super) struct AdmissionArgs {
    /// Connections that all reactors together accept per second at most, an equal share each; further ones wait in the
    /// accept queue [default: no limit].
    #[arg(long, value_name = "N", value_parser = count::nonzero)]
    accept_rate: Option<NonZeroU32>,
    /// What accept does when descriptors run out. All but pause let them run out: they use the fd limit up.
    #[arg(long, value_name = "WAY", value_enum, default_value_t = WhenShortArg::Pause)]
    when_short: WhenShortArg,
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
    pub(super) fn check_effects(&self, idle_timeout: Duration) -> Result<(), String> {
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
        Admission {
            accept_rate: self.accept_rate,
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
