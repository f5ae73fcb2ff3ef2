//! Experiments: they start servers and load generators, compare or watch them, and publish the results. The program
//! `c10m` runs them.
#![forbid(unsafe_code)]

/// Prints a line on stderr. Unlike `eprintln!`, it does not panic when stderr is closed.
macro_rules! say {
    ($($words:tt)*) => { $crate::say(format_args!($($words)*)) };
}

pub mod built;
mod experiments;
mod kinds;
mod list;
mod proofs;
mod published;
pub mod record_file;
mod refusal;
mod render;
mod run;
mod session;
mod simulation;
mod subjects;
mod walk;

use std::fmt;
use std::io::{self, Write};

pub use list::{names, text as list};
pub use proofs::{Proof, proofs};
pub use published::{List, write_list};
pub use refusal::Refusal;
pub use render::render;
pub use run::{explain, prove, run};
pub use session::request::{Profile, Request};
pub use session::{out, signals, terminal};
pub use walk::{Wall, run_into};

/// Prints a line on stderr. Does not panic when stderr is closed. Makes terminal control characters visible, because a
/// line may quote a record or a server.
pub fn say(line: fmt::Arguments<'_>) {
    let line = line.to_string();
    let _ = writeln!(io::stderr(), "{}", results::visible::visible(&line));
}
