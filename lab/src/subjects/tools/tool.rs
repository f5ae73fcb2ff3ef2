//! Load generators as people use them, including this project's: how to call each, what makes it send, and what it
//! says it measures. All get the same rate and number of connections, as far as they support them.

use loadgen::null_server::SpeechKind;

use crate::subjects::tools::parse::{self, Reported};

/// Bytes of a message of sockperf.
const MESSAGE_LEN: &str = "64";
/// More requests than `ab` can make in the time. Without a number, its `-t` stops at 50,000.
const REQUESTS_MAX: &str = "5000000";

/// What each tool is asked to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    /// For tools that support more than one.
    pub(crate) connections: u32,
    /// Requests per second, for tools that can hold a rate.
    pub(crate) rate: u32,
    pub(crate) seconds: u32,
    pub(crate) seed: u64,
    /// The CPU it runs on.
    pub(crate) cpu: usize,
}

/// One load generator in one mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
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

/// All tools, this project's first.
pub(crate) const TOOLS: [Tool; 12] = [
    Tool::C10mConstant,
    Tool::C10mPoisson,
    Tool::C10mClosed,
    Tool::Wrk,
    Tool::H2load,
    Tool::H2loadPaced,
    Tool::Hey,
    Tool::HeyPaced,
    Tool::Ab,
    Tool::Oha,
    Tool::OhaCorrected,
    Tool::Sockperf,
];

impl Tool {
    /// The name in tables and charts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Tool::C10mConstant => "c10m load, constant",
            Tool::C10mPoisson => "c10m load, Poisson",
            Tool::C10mClosed => "c10m load, closed loop",
            Tool::Wrk => "wrk",
            Tool::H2load => "h2load",
            Tool::H2loadPaced => "h2load --rps",
            Tool::Hey => "hey",
            Tool::HeyPaced => "hey -q",
            Tool::Ab => "ab",
            Tool::Oha => "oha -q",
            Tool::OhaCorrected => "oha -q --latency-correction",
            Tool::Sockperf => "sockperf under-load",
        }
    }

    /// What makes it send.
    pub(crate) fn load_loop(self) -> &'static str {
        match self {
            Tool::C10mConstant => "open, constant",
            Tool::C10mPoisson => "open, Poisson",
            Tool::C10mClosed | Tool::Wrk | Tool::H2load | Tool::Hey | Tool::Ab => "closed",
            Tool::H2loadPaced | Tool::HeyPaced | Tool::Oha | Tool::OhaCorrected => "closed, paced",
            Tool::Sockperf => "open, constant, one connection",
        }
    }

    /// Whether a connection waits for a reply before it sends again. If so, a stall meets at most one request of each
    /// connection.
    pub(crate) fn is_closed(self) -> bool {
        match self {
            Tool::C10mConstant | Tool::C10mPoisson | Tool::Sockperf => false,
            Tool::C10mClosed | Tool::Wrk | Tool::H2load | Tool::H2loadPaced | Tool::Hey | Tool::HeyPaced => true,
            Tool::Ab | Tool::Oha | Tool::OhaCorrected => true,
        }
    }

    /// What it says it measures, according to its documentation and source.
    pub(crate) fn claim(self) -> &'static str {
        match self {
            Tool::C10mConstant | Tool::C10mPoisson => {
                "response time from the intended send time of a schedule that does not wait for replies"
            }
            Tool::C10mClosed => "time from the write of a request to its reply; makes no claim beyond it",
            Tool::Wrk => {
                "time from the write of a request to its reply, afterwards filled up for a mean interval between \
                 requests; knows no rate, and records nothing that takes longer than its timeout (2 s)"
            }
            Tool::H2load => "time from the first byte sent to the last received; prints no percentiles",
            Tool::H2loadPaced => {
                "the same; each connection is given a rate, and what comes due while it waits is sent afterwards"
            }
            Tool::Hey => "time of a whole request from its actual start, of the first million requests",
            Tool::HeyPaced => "the same; each worker is given a rate, and what it could not send in time is not sent",
            Tool::Ab => "time of a request from its actual start to the end of the reply, in whole ms",
            Tool::Oha => "time of a request from its actual start; the rate is kept by sending late ones in a burst",
            Tool::OhaCorrected => {
                "the same from the time at which the schedule released it, against coordinated omission"
            }
            Tool::Sockperf => {
                "half of the round trip of messages sent at fixed times, doubled here; it does not wait for replies. Not \
                 HTTP but messages of 64 B; it waits actively, which costs it where both of its threads share a CPU"
            }
        }
    }

    /// A name for files. Only this project's generator writes a histogram.
    pub(crate) fn histogram_name(self) -> Option<&'static str> {
        match self {
            Tool::C10mConstant => Some("c10m-load-constant"),
            Tool::C10mPoisson => Some("c10m-load-poisson"),
            Tool::C10mClosed => Some("c10m-load-closed"),
            _ => None,
        }
    }

    /// What the null server has to speak.
    pub(crate) fn speech(self) -> SpeechKind {
        if self == Tool::Sockperf { SpeechKind::Sockperf } else { SpeechKind::Http }
    }

    /// The program: `c10m` for this project's generator.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Tool::C10mConstant | Tool::C10mPoisson | Tool::C10mClosed => "c10m",
            Tool::Wrk => "wrk",
            Tool::H2load | Tool::H2loadPaced => "h2load",
            Tool::Hey | Tool::HeyPaced => "hey",
            Tool::Ab => "ab",
            Tool::Oha | Tool::OhaCorrected => "oha",
            Tool::Sockperf => "sockperf",
        }
    }

    /// Whether it is this program.
    pub(crate) fn is_own(self) -> bool {
        matches!(self, Tool::C10mConstant | Tool::C10mPoisson | Tool::C10mClosed)
    }

    /// Its arguments for a server at `address` (host and port).
    pub(crate) fn arguments(self, address: &str, demand: &Demand) -> Vec<String> {
        let Demand { connections, rate, seconds, seed, cpu } = *demand;
        let url = format!("http://{address}/");
        let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
        let (connections, rate, rate_each) =
            (connections.to_string(), rate.to_string(), (rate / connections).to_string());
        let (seconds, duration) = (seconds.to_string(), format!("{seconds}s"));
        let (seed, cpu) = (seed.to_string(), cpu.to_string());
        let c10m = ["load", &url, "-c", &connections, "-d", &duration, "--warmup", "0s", "--cpus", &cpu];
        let c10m = [&c10m[..], &["--seed", &seed, "--json"]].concat();
        let h2load = ["--h1", "--threads", "1", "--clients", &connections, "--duration", &seconds];
        let hey = ["-z", &duration, "-c", &connections, "-cpus", "1"];
        let oha = ["--no-tui", "--output-format", "json", "-z", &duration, "-c", &connections, "-q", &rate];
        let arguments = match self {
            Tool::C10mConstant => [&c10m[..], &["--rate", &rate, "--schedule", "constant"]].concat(),
            Tool::C10mPoisson => [&c10m[..], &["--rate", &rate, "--schedule", "poisson"]].concat(),
            Tool::C10mClosed => c10m,
            Tool::Wrk => vec!["--latency", "-t", "1", "-c", &connections, "-d", &duration, &url],
            Tool::H2load => [&h2load[..], &[&url]].concat(),
            Tool::H2loadPaced => [&h2load[..], &["--rps", &rate_each, &url]].concat(),
            Tool::Hey => [&hey[..], &[&url]].concat(),
            Tool::HeyPaced => [&hey[..], &["-q", &rate_each, &url]].concat(),
            // -t implies a number of requests; a later -n changes it.
            Tool::Ab => vec!["-k", "-q", "-c", &connections, "-t", &seconds, "-n", REQUESTS_MAX, &url],
            Tool::Oha => [&oha[..], &[&url]].concat(),
            Tool::OhaCorrected => [&oha[..], &["--latency-correction", &url]].concat(),
            Tool::Sockperf => [
                &["under-load", "--tcp", "-i", host, "-p", port, "--msg-size", MESSAGE_LEN][..],
                &["--mps", &rate, "--reply-every", "1", "-t", &seconds],
            ]
            .concat(),
        };
        arguments.into_iter().map(str::to_owned).collect()
    }

    /// Turns what it printed into figures.
    pub(crate) fn parse(self, output: &str) -> Option<Reported> {
        match self {
            Tool::C10mConstant | Tool::C10mPoisson | Tool::C10mClosed => parse::c10m(output),
            Tool::Wrk => parse::wrk(output),
            Tool::H2load | Tool::H2loadPaced => parse::h2load(output),
            Tool::Hey | Tool::HeyPaced => parse::hey(output),
            Tool::Ab => parse::ab(output),
            Tool::Oha | Tool::OhaCorrected => parse::oha(output),
            Tool::Sockperf => parse::sockperf(output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMAND: Demand = Demand { connections: 50, rate: 2000, seconds: 10, seed: 1, cpu: 1 };

    #[test]
    fn the_words_of_a_loop_say_what_it_is() {
        for tool in TOOLS {
            assert_eq!(tool.is_closed(), tool.load_loop().starts_with("closed"), "{}", tool.name());
        }
    }

    #[test]
    fn names_tell_tools_apart() {
        for (index, tool) in TOOLS.iter().enumerate() {
            for other in &TOOLS[index + 1..] {
                assert_ne!(tool.name(), other.name());
                let arguments = |tool: &Tool| (tool.program(), tool.arguments("127.0.0.1:80", &DEMAND));
                assert_ne!(arguments(tool), arguments(other));
            }
        }
    }

    #[test]
    fn every_tool_gets_the_time_and_the_target() {
        for tool in TOOLS {
            let arguments = tool.arguments("127.0.0.1:4711", &Demand { seconds: 17, ..DEMAND }).join(" ");
            assert!(arguments.contains("17") && arguments.contains("4711"), "{tool:?}: {arguments}");
        }
    }
}
