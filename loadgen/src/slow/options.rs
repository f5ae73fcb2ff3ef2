//! What a crowd of slow clients is asked to do. Every limit is here.

use std::net::IpAddr;
use std::time::Duration;

use super::kind::Kind;
use crate::LoadError;
use crate::plan::options::Options as LoadOptions;
use crate::plan::target::TargetFacts;
use protocol::Workload;

/// A crowd of slow clients.
#[derive(Debug, Clone)]
pub struct Options {
    /// What each of them does.
    pub kind: Kind,
    /// What is connected to, as for a load.
    pub target: String,
    /// Connections at the same time.
    pub connections: u32,
    /// Connects per second at most.
    pub connect_rate: f64,
    /// How long a connect may take.
    pub connect_timeout: Duration,
    /// Time between two bytes of a connection.
    pub interval: Duration,
    /// How long the crowd stays.
    pub duration: Duration,
    /// Whether a connection that the server closed is opened again.
    pub reopens: bool,
    /// Length that a slow body announces, in bytes.
    pub body_len: u32,
    /// Bytes of a slow body that are sent at once.
    pub ahead_len: u32,
    /// CPU of the one thread.
    pub cpu: Option<u32>,
    /// Source addresses, connections taking turns.
    pub sources: Vec<IpAddr>,
    /// Allows targets in private address ranges.
    pub allow_private: bool,
    /// Allows this public host.
    pub i_own: Option<String>,
}

impl Options {
    /// Longest announced body: half of the largest number that every server can read.
    pub const BODY_LEN_MAX: u32 = 1 << 30;
    /// Most bytes that are sent at once, which one buffer holds for all connections.
    pub const AHEAD_LEN_MAX: u32 = 16 << 20;
    /// Shortest time between two bytes: one thread serves all connections.
    pub const INTERVAL_MIN: Duration = Duration::from_micros(100);

    /// Refuses what contradicts itself on any host.
    ///
    /// # Errors
    /// [`LoadError::Usage`], which names the option.
    pub(super) fn check(&self) -> Result<(), LoadError> {
        let usage = |message: String| Err(LoadError::Usage(message));
        let target = TargetFacts::of(&self.target)?;
        if target.workload != Workload::Http && self.kind != Kind::Idle {
            return usage(format!("slow {} are requests of HTTP: the target must be http://HOST:PORT/PATH", self.kind));
        }
        if target.is_unix {
            return usage("slow clients use TCP: a unix socket has no segments and no window".to_owned());
        }
        if self.kind.has_interval() && self.interval < Options::INTERVAL_MIN {
            return usage(format!("--interval must be at least {:?}", Options::INTERVAL_MIN));
        }
        if !(1e-3..=1e6).contains(&self.connect_rate) {
            return usage("--connect-rate must be between 0.001 and 1,000,000 per second".to_owned());
        }
        if self.kind == Kind::Bodies {
            if !(1..=Options::BODY_LEN_MAX).contains(&self.body_len) {
                return usage(format!("--body-len must be between 1 and {} bytes", Options::BODY_LEN_MAX));
            }
            if self.ahead_len >= self.body_len || self.ahead_len > Options::AHEAD_LEN_MAX {
                return usage(format!(
                    "--ahead must be less than --body-len, or the body is whole at once, and at most {} bytes",
                    Options::AHEAD_LEN_MAX
                ));
            }
        }
        Ok(())
    }

    /// The same connections as an ordinary load that holds them: their plan is made, and permitted, by the same rules.
    pub fn as_load(&self) -> LoadOptions {
        LoadOptions {
            target: self.target.clone(),
            connections: self.connections,
            threads: 1,
            duration: self.duration,
            rate: Some(0.0),
            connect_timeout: self.connect_timeout,
            sources: self.sources.clone(),
            allow_private: self.allow_private,
            i_own: self.i_own.clone(),
            ..LoadOptions::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(kind: Kind) -> Options {
        Options {
            kind,
            target: "http://127.0.0.1:1/".to_owned(),
            connections: 1,
            connect_rate: 1.0,
            connect_timeout: Duration::from_secs(1),
            interval: Duration::from_secs(1),
            duration: Duration::from_secs(1),
            reopens: false,
            body_len: 10,
            ahead_len: 0,
            cpu: None,
            sources: vec![],
            allow_private: false,
            i_own: None,
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for kind in Kind::ALL {
            options(kind).check().expect("in order");
        }
        let echo = "tcp://127.0.0.1:1".to_owned();
        Options { target: echo.clone(), ..options(Kind::Idle) }.check().expect("silence is no request");
        for (part, options) in [
            ("http://HOST", Options { target: echo, ..options(Kind::Heads) }),
            ("unix", Options { target: "unix:/x".to_owned(), ..options(Kind::Heads) }),
            ("--interval", Options { interval: Duration::ZERO, ..options(Kind::Segments) }),
            ("--connect-rate", Options { connect_rate: f64::NAN, ..options(Kind::Idle) }),
            ("--body-len", Options { body_len: 0, ..options(Kind::Bodies) }),
            ("--ahead", Options { ahead_len: 10, ..options(Kind::Bodies) }),
        ] {
            let error = options.check().unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(part), "{part}: {error}");
        }
    }
}
