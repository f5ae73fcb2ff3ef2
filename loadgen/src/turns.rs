//! Several servers under the same load, in turns with windows of 25 to 100 ms: what a comparison of servers on one host needs.
//!
//! **Why.** On a shared machine the speed of a CPU wanders: its neighbours come and go. On two virtual CPUs the cost of the
//! same request varied by 7 to 17 % from one start of a server to the next, with windows of 0.1 s as with those of 1 s. So
//! did loops without any server, in windows of 0.1 s: one that only computes by 6 %, one of system calls by 10 %, one that
//! reads memory by 19 %. But it wanders slowly: between turns of 20 to 100 ms that follow each other the cost of living
//! servers varied by 4 to 9 % only, and what a process brings with it from its start by less than 2 %. So
//! the servers stand side by side, and the load goes from one to the next several times a second. What the machine does
//! in a round of turns, it does to all of them.
//!
//! **A turn.** The connections of one server get requests as soon as they have their replies, or their share of a rate; the
//! others' are silent. The first moments belong to nobody, until each connection that stays has had two replies. Then the CPU
//! clock of the server's process is read at both ends of the window, when it moves, and replies are counted between. After
//! the window each request still gets its reply, and each reply its acknowledgement, so that nothing is left to be done in
//! the turn of another.
//!
//! **A round** has a turn of each server, in random order; the next round has the order mirrored. A round of whose windows a
//! hypervisor took more than a twentieth is marked, and made again as long as there is room.
//!
//! **Each server has a client thread of its own**, with a table of descriptors of its own: RLIMIT_NOFILE bounds a table, and
//! the connections of all servers would not fit one. One thread runs at a time, the others wait for their turn.
//!
//! **The client never sleeps** in a turn. A client that sleeps is woken by the server's send, and on one host the server pays for
//! that, as it would not for a client on another host. With 64 busy connections, which leave a client no time to sleep,
//! both kinds cost the server the same as far as 104 rounds could see: 1.02 [0.94, 1.11].

mod attendant;
mod client;
mod error;
mod options;
mod record;
mod rounds;
mod standing;

pub use error::TurnsError;
pub use options::{Life, Options, Target};
pub use record::{Record, Round, Turn, Whole};
pub use rounds::take_turns;
