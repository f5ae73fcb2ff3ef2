//! What is sent beyond one copy of each part: how it is written, when it is due, and what it may cost. Pure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::LoadError;

/// What is sent beyond one copy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extra {
    /// Nothing.
    None,
    /// A second copy of what has no reply yet after a while.
    Hedge(Hedge),
    /// Two copies of everything at once. HTTP/1.1 has no message that calls the loser back, so its reply is read and thrown
    /// away.
    Tied,
}

/// When a second copy is sent, and how many of them at most.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Hedge {
    /// How long to wait for the first.
    pub after: After,
    /// Second copies in percent of all parts.
    pub budget_percent: f64,
}

/// How long to wait before a second copy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum After {
    /// This long.
    Time(Duration),
    /// As long as this share of the replies took in the warm-up.
    Quantile(f64),
}

impl Extra {
    /// Whether it needs a warm-up.
    pub(super) fn learns(self) -> bool {
        matches!(self, Extra::Hedge(Hedge { after: After::Quantile(_), .. }))
    }
}

impl FromStr for Hedge {
    type Err = LoadError;

    /// # Errors
    /// [`LoadError::Usage`] with how to write it.
    fn from_str(text: &str) -> Result<Hedge, LoadError> {
        let bad = || {
            let form = "write for example after=p95,budget=5% or after=10ms,budget=100%";
            LoadError::Usage(format!("{text:?} is no hedge: {form}"))
        };
        let (mut after, mut budget) = (None, None);
        for part in text.split(',') {
            let (key, value) = part.trim().split_once('=').ok_or_else(bad)?;
            let (slot, number) = match key.trim() {
                "after" => (&mut after, parse_after(value.trim())),
                "budget" => {
                    let share = value.trim().strip_suffix('%').and_then(|share| share.trim().parse::<f64>().ok());
                    budget = Some(share.filter(|share| (0.0..=100.0).contains(share)).ok_or_else(bad)?);
                    continue;
                }
                _ => return Err(bad()),
            };
            *slot = Some(number.ok_or_else(bad)?);
        }
        // Without a budget a server that gets slow would get twice the load just then.
        Ok(Hedge { after: after.ok_or_else(bad)?, budget_percent: budget.ok_or_else(bad)? })
    }
}

fn parse_after(text: &str) -> Option<After> {
    if let Some(percent) = text.strip_prefix('p') {
        let quantile = percent.parse::<f64>().ok()? / 100.0;
        return (quantile > 0.0 && quantile < 1.0).then_some(After::Quantile(quantile));
    }
    let (number, unit) = text.split_at(text.find(|letter: char| letter.is_ascii_alphabetic())?);
    let us = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        _ => return None,
    };
    let us = number.trim().parse::<f64>().ok()? * us;
    (us.is_finite() && (1.0..=3.6e9).contains(&us)).then(|| After::Time(Duration::from_micros(us as u64)))
}

impl fmt::Display for Hedge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.after {
            After::Time(time) => write!(formatter, "after={}us", time.as_micros())?,
            After::Quantile(quantile) => write!(formatter, "after=p{}", quantile * 100.0)?,
        }
        write!(formatter, ",budget={}%", self.budget_percent)
    }
}

/// Second copies that may still be sent: each part pays a share in, each second copy takes a whole one.
#[derive(Debug)]
pub(super) struct Budget {
    share: f64,
    tokens: f64,
}

impl Budget {
    /// What may gather while none is needed, so that the budget holds for short times too.
    const TOKENS_MAX: f64 = 10.0;

    pub(super) fn new(percent: f64) -> Budget {
        Budget { share: percent / 100.0, tokens: 0.0 }
    }

    pub(super) fn pay_in(&mut self) {
        self.tokens = (self.tokens + self.share).min(Budget::TOKENS_MAX);
    }

    pub(super) fn take(&mut self) -> bool {
        // A twentieth is no binary number: twenty of them are a little less than one.
        let is_there = self.tokens >= 1.0 - 1e-9;
        if is_there {
            self.tokens -= 1.0;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hedges_are_read_and_written() {
        for (text, after, budget) in [
            ("after=p95,budget=5%", After::Quantile(0.95), 5.0),
            (" budget=100% , after=2.5ms ", After::Time(Duration::from_micros(2500)), 100.0),
            ("after=1s,budget=0.5%", After::Time(Duration::from_secs(1)), 0.5),
        ] {
            let hedge: Hedge = text.parse().expect(text);
            assert_eq!((hedge.after, hedge.budget_percent), (after, budget), "{text}");
            assert_eq!(hedge.to_string().parse::<Hedge>().expect("what is written is read"), hedge);
        }
        for text in [
            "",
            "p95",
            "after=p95",
            "budget=5%",
            "after=p0,budget=5%",
            "after=p100,budget=5%",
            "after=5,budget=5%",
            "after=0ms,budget=5%",
            "after=5h,budget=5%",
            "after=p95,budget=5",
            "after=p95,budget=101%",
            "after=p95,budget=nan%",
            "after=p95,budget=5%,x=1",
        ] {
            let error = text.parse::<Hedge>().unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains("after=p95,budget=5%"), "{text}: {error}");
        }
    }

    #[test]
    fn a_budget_is_a_share_of_what_was_sent() {
        let mut budget = Budget::new(5.0);
        let taken = (0..1000).filter(|_| {
            budget.pay_in();
            budget.take()
        });
        assert_eq!(taken.count(), 50);
        (0..1000).for_each(|_| budget.pay_in());
        assert_eq!((0..100).filter(|_| budget.take()).count(), 10, "no more gathers");
        let mut nothing = Budget::new(0.0);
        nothing.pay_in();
        assert!(!nothing.take());
    }
}
