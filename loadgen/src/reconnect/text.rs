//! Reconnect policies as people write them: `full-jitter,base=100ms,cap=10s,budget=10%`. What is printed is read back as
//! the same policy.

use super::policy::{BreakerRule, Delay, Policy};
use crate::LoadError;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What may follow the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Base,
    Cap,
    Spread,
    Budget,
    Breaker,
    Open,
    Hint,
}

impl Key {
    const ALL: [Key; 7] = [Key::Base, Key::Cap, Key::Spread, Key::Budget, Key::Breaker, Key::Open, Key::Hint];

    const fn name(self) -> &'static str {
        match self {
            Key::Base => "base",
            Key::Cap => "cap",
            Key::Spread => "spread",
            Key::Budget => "budget",
            Key::Breaker => "breaker",
            Key::Open => "open",
            Key::Hint => "hint",
        }
    }
}

/// What may follow the name of a policy, for help and documents.
pub fn key_names() -> impl Iterator<Item = &'static str> {
    Key::ALL.into_iter().map(Key::name)
}

/// Units of time in µs.
const UNITS: [(&str, u64); 5] = [("us", 1), ("ms", 1000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000)];

impl FromStr for Policy {
    type Err = LoadError;

    /// # Errors
    /// [`LoadError::Usage`] naming what is wrong, and the choices there are.
    fn from_str(text: &str) -> Result<Policy, LoadError> {
        let mut parts = text.split(',').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let delay = Delay::ALL.into_iter().find(|delay| delay.name() == name).ok_or_else(|| {
            usage(format!("{name:?} is no reconnect policy; write one of {}", Delay::ALL.map(Delay::name).join(", ")))
        })?;
        let mut policy = Policy::new(delay);
        let (mut given, mut failures, mut open) = (Vec::new(), None, None);
        for part in parts {
            let (key, value) = assignment(part)?;
            if given.contains(&key) {
                return Err(usage(format!("{} is given twice", key.name())));
            }
            given.push(key);
            match key {
                Key::Base => policy.base = time(key, value)?,
                Key::Cap => policy.cap = time(key, value)?,
                Key::Spread => policy.spread = time(key, value)?,
                Key::Budget => policy.budget_percent = Some(percent(value)?),
                Key::Breaker => failures = Some(count(value)?),
                Key::Open => open = Some(time(key, value)?),
                Key::Hint => policy.honours_hint = true,
            }
        }
        policy.breaker = failures.map(|failures| BreakerRule { failures, open });
        policy.check()?;
        check_effects(&policy, &given)?;
        Ok(policy)
    }
}

/// Refuses keys that change nothing, with what would give them an effect.
fn check_effects(policy: &Policy, given: &[Key]) -> Result<(), LoadError> {
    let name = policy.delay.name();
    let idle = [
        (Key::Open, policy.breaker.is_some(), "without breaker=N"),
        (Key::Base, policy.uses_base(), "without budget or breaker"),
        (Key::Cap, policy.uses_cap(), "whose delays do not grow, without a breaker that stays open for cap"),
    ];
    match idle.iter().find(|(key, is_used, _)| given.contains(key) && !is_used) {
        Some((key, _, why)) => Err(usage(format!("{} has no effect on {name} {why}", key.name()))),
        None => Ok(()),
    }
}

fn usage(message: String) -> LoadError {
    LoadError::Usage(message)
}

/// One `key=value`.
fn assignment(part: &str) -> Result<(Key, &str), LoadError> {
    let (name, value) = part.split_once('=').map_or((part, None), |(name, value)| (name.trim(), Some(value.trim())));
    let key = Key::ALL.into_iter().find(|key| key.name() == name).ok_or_else(|| {
        let names = Key::ALL.map(Key::name).join(", ");
        usage(format!("{name:?} is no key of a reconnect policy; the keys are {names}, each but hint with =VALUE"))
    })?;
    match (key, value) {
        (Key::Hint, None) => Ok((key, "")),
        (Key::Hint, Some(_)) => Err(usage("hint takes no value: the server says how long".into())),
        (_, Some(value)) => Ok((key, value)),
        (_, None) => Err(usage(format!("{name} needs a value: {name}=…"))),
    }
}

/// A time such as `100ms` or `1.5s`, to the µs.
fn time(key: Key, text: &str) -> Result<Duration, LoadError> {
    let bad = || usage(format!("{} {text:?} is no time; write for example 250us, 100ms, 1.5s or 2m", key.name()));
    let number_len = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(number_len);
    let (_, unit_us) = UNITS.into_iter().find(|(name, _)| *name == unit.trim_start()).ok_or_else(bad)?;
    let number: f64 = number.parse().map_err(|_| bad())?;
    // A number that is too large saturates, and the policy's own check refuses it.
    Ok(Duration::from_micros((number * unit_us as f64).round() as u64))
}

fn percent(text: &str) -> Result<f64, LoadError> {
    let number = text.strip_suffix('%').and_then(|number| number.trim_end().parse().ok());
    number.ok_or_else(|| usage(format!("budget {text:?} is no share; write for example 10%")))
}

fn count(text: &str) -> Result<u32, LoadError> {
    text.parse().map_err(|_| usage(format!("breaker {text:?} is no number of failures; write for example 5")))
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.delay.name())?;
        if self.uses_base() {
            write!(f, ",base={}", Time(self.base))?;
        }
        if self.uses_cap() {
            write!(f, ",cap={}", Time(self.cap))?;
        }
        if !self.spread.is_zero() {
            write!(f, ",spread={}", Time(self.spread))?;
        }
        if let Some(percent) = self.budget_percent {
            write!(f, ",budget={percent}%")?;
        }
        if let Some(BreakerRule { failures, open }) = self.breaker {
            write!(f, ",breaker={failures}")?;
            if let Some(open) = open {
                write!(f, ",open={}", Time(open))?;
            }
        }
        if self.honours_hint {
            f.write_str(",hint")?;
        }
        Ok(())
    }
}

/// A time in the longest unit below minutes in which it is whole.
struct Time(Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = self.0.as_micros();
        match us {
            _ if us.is_multiple_of(1_000_000) => write!(f, "{}s", us / 1_000_000),
            _ if us.is_multiple_of(1000) => write!(f, "{}ms", us / 1000),
            _ => write!(f, "{us}us"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn policies_are_read_and_printed() {
        for (text, printed) in [
            ("immediate", "immediate"),
            ("fixed", "fixed,base=100ms"),
            ("fixed,base=20s", "fixed,base=20s"),
            ("exponential", "exponential,base=100ms,cap=10s"),
            (" full-jitter , base = 0.25s , budget = 10 % ", "full-jitter,base=250ms,cap=10s,budget=10%"),
            ("equal-jitter,cap=2m,base=1500us,spread=0s", "equal-jitter,base=1500us,cap=120s"),
            ("decorrelated,spread=5s,breaker=5", "decorrelated,base=100ms,cap=10s,spread=5s,breaker=5"),
            ("immediate,budget=2.5%", "immediate,base=100ms,budget=2.5%"),
            ("immediate,breaker=5", "immediate,base=100ms,cap=10s,breaker=5"),
            ("fixed,open=1s,breaker=5", "fixed,base=100ms,breaker=5,open=1s"),
            ("immediate,hint", "immediate,hint"),
            ("fixed, hint ,breaker=5", "fixed,base=100ms,cap=10s,breaker=5,hint"),
        ] {
            let policy: Policy = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(policy.to_string(), printed, "{text}");
            assert_eq!(printed.parse::<Policy>().unwrap(), policy, "{text}");
        }
    }

    #[test]
    fn errors_name_what_is_wrong_and_the_choices() {
        for (text, words) in [
            ("", &["\"\"", "immediate", "decorrelated"][..]),
            ("jitter", &["\"jitter\"", "full-jitter", "equal-jitter"]),
            ("base=5s", &["\"base=5s\" is no reconnect policy"]),
            ("fixed,bass=5s", &["\"bass\"", "base, cap, spread, budget, breaker, open, hint"]),
            ("immediate,hint=5s", &["hint takes no value"]),
            ("immediate,hint,hint", &["hint is given twice"]),
            ("fixed,", &["\"\"", "base, cap"]),
            ("fixed,base", &["base needs a value"]),
            ("fixed,base=", &["base \"\"", "100ms"]),
            ("fixed,base=5", &["base \"5\"", "100ms"]),
            ("fixed,base=5d", &["base \"5d\""]),
            ("fixed,base=5h", &["base 18000s", "1h"]),
            ("fixed,base=-5s", &["base \"-5s\""]),
            ("fixed,base=1.2.3s", &["base \"1.2.3s\""]),
            ("fixed,base=99999999999999999999s", &["base", "1h"]),
            ("fixed,base=5s,base=6s", &["base is given twice"]),
            ("full-jitter,base=11s", &["base 11s is longer than cap 10s"]),
            ("full-jitter,budget=10", &["budget \"10\"", "10%"]),
            ("full-jitter,budget=x%", &["budget \"x%\"", "10%"]),
            ("full-jitter,budget=2000%", &["budget 2000%", "1000%"]),
            ("full-jitter,breaker=x", &["breaker \"x\""]),
            ("full-jitter,breaker=0", &["breaker must be at least 1"]),
            ("full-jitter,open=5s", &["open has no effect on full-jitter without breaker=N"]),
            ("immediate,base=5s", &["base has no effect on immediate without budget or breaker"]),
            ("fixed,cap=5s", &["cap has no effect on fixed"]),
            ("fixed,cap=5s,breaker=5,open=1s", &["cap has no effect on fixed"]),
        ] {
            let error = text.parse::<Policy>().unwrap_err();
            assert_eq!(error.exit_code(), 2);
            for word in words {
                assert!(error.to_string().contains(word), "{text:?} does not say {word:?}: {error}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(
            kind in 0..Delay::ALL.len(),
            base_us in 1000..1_000_000_u64,
            cap_us in 1_000_000..3_600_000_000_u64,
            spread_us in 0..3_600_000_000_u64,
            budget in proptest::option::of(0.0..1000.0),
            breaker in proptest::option::of((1..u32::MAX, proptest::option::of(1000..3_600_000_000_u64))),
        ) {
            let mut text = format!("{},spread={spread_us}us", Delay::ALL[kind].name());
            if let Some(percent) = budget {
                text += &format!(",budget={percent}%");
            }
            if let Some((failures, open_us)) = breaker {
                text += &format!(",breaker={failures}");
                text += &open_us.map_or(String::new(), |us| format!(",open={us}us"));
            }
            let bare: Policy = text.parse().unwrap();
            if bare.uses_base() {
                text += &format!(",base={base_us}us");
            }
            if bare.uses_cap() {
                text += &format!(",cap={cap_us}us");
            }
            let policy: Policy = text.parse().unwrap();
            prop_assert_eq!(policy.to_string().parse::<Policy>().unwrap(), policy);
        }
    }
}
