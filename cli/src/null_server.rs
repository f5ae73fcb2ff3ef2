//! `c10m null-server`: the load generator's null server as a process of its own, for experiments. Hidden
//! from help: it is no server for anybody else.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use loadgen::null_server::{Config, Event, Exit, Late, NullServer, SpeechKind, Stall, stall_offset};

use crate::given::Given;
use crate::output_stream::Stream;
use crate::signals;

/// Arguments of `c10m null-server`.
#[derive(Debug, Args)]
pub(crate) struct NullServerArgs {
    #[command(flatten)]
    given: Given,
    /// What to speak
    #[arg(value_parser = speech_parser())]
    speech: SpeechKind,
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// CPU of the one thread
    #[arg(long, value_name = "N")]
    cpu: Option<u32>,
    /// Bytes of one request of echo or sockperf
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    message_len: u32,
    /// Do nothing for so long in every period; the first time half a period after the start
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    stall: Option<Duration>,
    /// The period of the stalls
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration, requires = "stall")]
    every: Duration,
    /// How many of a thousand replies come late, each drawn by itself
    #[arg(long, value_name = "N", requires = "late_by")]
    late_permille: Option<u32>,
    /// By how much they come late; they hold up no others
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, requires = "late_permille")]
    late_by: Option<Duration>,
    /// Which replies come late
    #[arg(long, value_name = "N", default_value_t = 1, requires = "late_permille")]
    seed: u64,
    /// Longest life, so that it is never left behind
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    life: Duration,
}

fn speech_parser() -> impl TypedValueParser<Value = SpeechKind> {
    let names = PossibleValuesParser::new(SpeechKind::ALL.map(SpeechKind::name));
    names.try_map(|name| SpeechKind::named(&name).ok_or("not spoken"))
}

impl NullServerArgs {
    fn config(&self) -> Config {
        Config {
            speech: self.speech.speech(self.message_len),
            listen: self.listen,
            cpu: self.cpu,
            stall: self.stall.map(|length| Stall {
                every: self.every,
                length,
                offset: stall_offset(self.every, self.every / 2),
            }),
            late: self.late_permille.zip(self.late_by).map(|(permille, by)| Late { permille, by, seed: self.seed }),
        }
    }
}

/// Serves until a signal or the end of its life, and prints a line at both ends.
pub(crate) fn run(args: NullServerArgs) -> anyhow::Result<u8> {
    if args.life.is_zero() {
        say!("c10m: --for must be longer than zero");
        return Ok(2);
    }
    if args.given.has("message_len") && args.speech == SpeechKind::Http {
        say!("c10m: --message-len has no effect on http: it needs echo or sockperf");
        return Ok(2);
    }
    // Before the start, so that a signal that comes early ends it in order too.
    let signals = signals::received(()).context("cannot catch signals")?;
    let mut stdout = Stream::stdout(None).context("cannot start a thread")?;
    let is_late = args.late_by.is_some();
    let mut server = match NullServer::start(args.config()) {
        Ok(server) => server,
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            say!("c10m: {error}");
            return Ok(2);
        }
        Err(error) => return Err(error).with_context(|| format!("cannot serve on {}", args.listen)),
    };
    // A reader that is gone by now is missed when it is owed the account.
    let ready = Event::Ready {
        address: server.address().to_string(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: lab::built::COMMIT.to_owned(),
    };
    stdout.offer(serde_json::to_string(&ready)?);
    // A signal or the end of its life: either way this is the end.
    let _ = signals.recv_timeout(args.life);
    server.stop().context("the null server failed")?;
    let exit = Event::Exit(Exit {
        requests: server.requests(),
        late_replies: is_late.then(|| server.late_replies()),
        stalls: server.stalls(),
    });
    stdout
        .finish(vec![serde_json::to_string(&exit)?], &signals)
        .map_err(|cause| anyhow!("cannot write the account to stdout: {cause}"))?;
    Ok(0)
}
