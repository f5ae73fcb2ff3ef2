//! The load generators of the comparison: how each is called, what makes it send, and what it says it
//! measures. One rate and one number of connections for all of them, as far as they can.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::parse::{self, Reported};
use super::{CONNECTIONS, RATE};

/// Bytes of a message of sockperf.
const MESSAGE_LEN: &str = "64";
/// More requests than `ab` can make in the time; without a number its `-t` stops at 50,000.
const REQUESTS_MAX: &str = "5000000";

/// One load generator in one mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arm {
    C10mConstant,
    C10mPoisson,
    C10mClosed,
    Wrk,
    H2load,
    H2loadPaced,
    Hey,
    HeyPaced,
    Ab,
    Oha,
    OhaCorrected,
    Sockperf,
}

/// All of them, this project's first.
pub(super) const ARMS: [Arm; 12] = [
    Arm::C10mConstant,
    Arm::C10mPoisson,
    Arm::C10mClosed,
    Arm::Wrk,
    Arm::H2load,
    Arm::H2loadPaced,
    Arm::Hey,
    Arm::HeyPaced,
    Arm::Ab,
    Arm::Oha,
    Arm::OhaCorrected,
    Arm::Sockperf,
];

impl Arm {
    /// In tables and charts.
    pub(super) fn name(self) -> &'static str {
        match self {
            Arm::C10mConstant => "c10m load, constant",
            Arm::C10mPoisson => "c10m load, Poisson",
            Arm::C10mClosed => "c10m load, closed loop",
            Arm::Wrk => "wrk",
            Arm::H2load => "h2load",
            Arm::H2loadPaced => "h2load --rps",
            Arm::Hey => "hey",
            Arm::HeyPaced => "hey -q",
            Arm::Ab => "ab",
            Arm::Oha => "oha -q",
            Arm::OhaCorrected => "oha -q --latency-correction",
            Arm::Sockperf => "sockperf under-load",
        }
    }

    /// What makes it send.
    pub(super) fn load_loop(self) -> &'static str {
        match self {
            Arm::C10mConstant => "open, constant",
            Arm::C10mPoisson => "open, Poisson",
            Arm::C10mClosed | Arm::Wrk | Arm::H2load | Arm::Hey | Arm::Ab => "closed",
            Arm::H2loadPaced | Arm::HeyPaced | Arm::Oha | Arm::OhaCorrected => "closed, paced",
            Arm::Sockperf => "open, constant, one connection",
        }
    }

    /// Whether a connection waits for a reply before it sends again, so that a stall meets at most one
    /// request of each.
    pub(super) fn is_closed(self) -> bool {
        self.load_loop().starts_with("closed")
    }

    /// What it says it measures, from its documentation and source.
    pub(super) fn claim(self) -> &'static str {
        match self {
            Arm::C10mConstant | Arm::C10mPoisson => {
                "response time from the intended send time of a schedule that does not wait for replies"
            }
            Arm::C10mClosed => "time from the write of a request to its reply; makes no claim beyond it",
            Arm::Wrk => {
                "time from the write of a request to its reply, afterwards filled up for a mean interval between \
                 requests; knows no rate, and records nothing that takes longer than its timeout (2 s)"
            }
            Arm::H2load => "time from the first byte sent to the last received; prints no percentiles",
            Arm::H2loadPaced => {
                "the same; each connection is given a rate, and what comes due while it waits is sent afterwards"
            }
            Arm::Hey => "time of a whole request from its actual start, of the first million requests",
            Arm::HeyPaced => "the same; each worker is given a rate, and what it could not send in time is not sent",
            Arm::Ab => "time of a request from its actual start to the end of the reply, in whole ms",
            Arm::Oha => "time of a request from its actual start; the rate is kept by sending late ones in a burst",
            Arm::OhaCorrected => {
                "the same from the time at which the schedule released it, against coordinated omission"
            }
            Arm::Sockperf => {
                "half of the round trip of messages sent at fixed times, doubled here; it does not wait for replies. Not \
                 HTTP but messages of 64 B; it waits actively, which costs it where both of its threads share a CPU"
            }
        }
    }

    /// A name for files; only this project's generator has a histogram to write.
    pub(super) fn histogram_name(self) -> Option<&'static str> {
        match self {
            Arm::C10mConstant => Some("c10m-load-constant"),
            Arm::C10mPoisson => Some("c10m-load-poisson"),
            Arm::C10mClosed => Some("c10m-load-closed"),
            _ => None,
        }
    }

    /// What the null server has to speak.
    pub(super) fn workload(self) -> &'static str {
        if self == Arm::Sockperf { "sockperf" } else { "http" }
    }

    /// The program, `c10m` for this one.
    pub(super) fn program(self) -> &'static str {
        match self {
            Arm::C10mConstant | Arm::C10mPoisson | Arm::C10mClosed => "c10m",
            Arm::Wrk => "wrk",
            Arm::H2load | Arm::H2loadPaced => "h2load",
            Arm::Hey | Arm::HeyPaced => "hey",
            Arm::Ab => "ab",
            Arm::Oha | Arm::OhaCorrected => "oha",
            Arm::Sockperf => "sockperf",
        }
    }

    /// Its arguments for a server at `address` (host and port).
    pub(super) fn arguments(self, address: &str, seconds: u32, seed: u64, client_cpu: usize) -> Vec<String> {
        let url = format!("http://{address}/");
        let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
        let (connections, rate, rate_each) =
            (CONNECTIONS.to_string(), RATE.to_string(), (RATE / CONNECTIONS).to_string());
        let (seconds, duration) = (seconds.to_string(), format!("{seconds}s"));
        let (seed, cpu) = (seed.to_string(), client_cpu.to_string());
        let c10m = ["load", &url, "-c", &connections, "-d", &duration, "--warmup", "0s", "--cpus", &cpu];
        let c10m = [&c10m[..], &["--seed", &seed, "--json"]].concat();
        let h2load = ["--h1", "--threads", "1", "--clients", &connections, "--duration", &seconds];
        let hey = ["-z", &duration, "-c", &connections, "-cpus", "1"];
        let oha = ["--no-tui", "--output-format", "json", "-z", &duration, "-c", &connections, "-q", &rate];
        let arguments = match self {
            Arm::C10mConstant => [&c10m[..], &["--rate", &rate, "--schedule", "constant"]].concat(),
            Arm::C10mPoisson => [&c10m[..], &["--rate", &rate, "--schedule", "poisson"]].concat(),
            Arm::C10mClosed => c10m,
            Arm::Wrk => vec!["--latency", "-t", "1", "-c", &connections, "-d", &duration, &url],
            Arm::H2load => [&h2load[..], &[&url]].concat(),
            Arm::H2loadPaced => [&h2load[..], &["--rps", &rate_each, &url]].concat(),
            Arm::Hey => [&hey[..], &[&url]].concat(),
            Arm::HeyPaced => [&hey[..], &["-q", &rate_each, &url]].concat(),
            // -t implies a number of requests, which -n behind it changes.
            Arm::Ab => vec!["-k", "-q", "-c", &connections, "-t", &seconds, "-n", REQUESTS_MAX, &url],
            Arm::Oha => [&oha[..], &[&url]].concat(),
            Arm::OhaCorrected => [&oha[..], &["--latency-correction", &url]].concat(),
            Arm::Sockperf => [
                &["under-load", "--tcp", "-i", host, "-p", port, "--msg-size", MESSAGE_LEN][..],
                &["--mps", &rate, "--reply-every", "1", "-t", &seconds],
            ]
            .concat(),
        };
        arguments.into_iter().map(str::to_owned).collect()
    }

    /// What it printed, as figures.
    pub(super) fn parse(self, output: &str) -> Option<Reported> {
        match self {
            Arm::C10mConstant | Arm::C10mPoisson | Arm::C10mClosed => parse::c10m(output),
            Arm::Wrk => parse::wrk(output),
            Arm::H2load | Arm::H2loadPaced => parse::h2load(output),
            Arm::Hey | Arm::HeyPaced => parse::hey(output),
            Arm::Ab => parse::ab(output),
            Arm::Oha | Arm::OhaCorrected => parse::oha(output),
            Arm::Sockperf => parse::sockperf(output),
        }
    }

    /// Where its program is and what its version is; `None` when it is not installed.
    pub(super) fn find(self) -> Option<Found> {
        if self.program() == "c10m" {
            let path = std::env::current_exe().ok()?;
            return Some(Found { path, version: format!("c10m {}", env!("CARGO_PKG_VERSION")) });
        }
        let path = path_of(self.program())?;
        Some(Found { version: self.version(&path), path })
    }

    fn version(self, path: &Path) -> String {
        let argument = match self {
            Arm::Wrk => "-v",
            Arm::Ab => "-V",
            // hey has no option that prints it: ask the package.
            Arm::Hey | Arm::HeyPaced => return package_version("hey").unwrap_or_else(|| "hey, version unknown".into()),
            _ => "--version",
        };
        // Some print it on stderr, and wrk calls it an error.
        let output = Command::new(path).arg(argument).output();
        let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
        first_line(&String::from_utf8_lossy(&text)).unwrap_or_else(|| format!("{}, version unknown", self.program()))
    }
}

/// An installed program.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) version: String,
}

/// Where `scripts/generators.sh` puts what Debian does not have, then the directories of PATH.
fn path_of(program: &str) -> Option<PathBuf> {
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path);
    directories.chain([PathBuf::from(built)]).map(|directory| directory.join(program)).find(|path| path.is_file())
}

fn package_version(package: &str) -> Option<String> {
    let output = Command::new("dpkg-query").args(["--show", "--showformat", "${Version}", package]).output().ok()?;
    let version = String::from_utf8(output.stdout).ok().filter(|version| !version.is_empty())?;
    Some(format!("{package} {version} (package)"))
}

/// The first line that says something, up to a bracket or the name of a copyright holder.
fn first_line(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let end = [" [", " <", " Copyright"].iter().filter_map(|mark| line.find(mark)).min().unwrap_or(line.len());
    Some(line[..end].trim_start_matches("This is ").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_one_line() {
        for (text, expected) in [
            ("wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012 Will Glozer\nUsage", "wrk debian/4.1.0-3+b2"),
            ("This is ApacheBench, Version 2.3 <$Revision$>\n", "ApacheBench, Version 2.3"),
            ("\nsockperf, version 3.7-no.git\n   compiled 2021", "sockperf, version 3.7-no.git"),
            ("oha 1.16.0\n", "oha 1.16.0"),
        ] {
            assert_eq!(first_line(text).as_deref(), Some(expected));
        }
        assert_eq!(first_line("\n \n"), None);
    }

    #[test]
    fn names_tell_arms_apart() {
        for (index, arm) in ARMS.iter().enumerate() {
            for other in &ARMS[index + 1..] {
                assert_ne!(arm.name(), other.name());
                let arguments = |arm: &Arm| (arm.program(), arm.arguments("127.0.0.1:80", 10, 1, 1));
                assert_ne!(arguments(arm), arguments(other));
            }
        }
    }

    #[test]
    fn every_arm_gets_the_time_and_the_target() {
        for arm in ARMS {
            let arguments = arm.arguments("127.0.0.1:4711", 17, 5, 1).join(" ");
            assert!(arguments.contains("17") && arguments.contains("4711"), "{arm:?}: {arguments}");
        }
    }
}
