//! Hot restart: a running server gives its listening sockets to a new process (SCM_RIGHTS, unix(7)) and leaves.
//!
//! Both accept from the same queues, so nothing that is queued is lost. The predecessor serves on until the successor
//! is ready; then it says "yours", and only after that do the successor's reactors accept. Whoever of the two dies
//! before, the predecessor's connections and its sockets are untouched. The predecessor closes its end of the connection
//! once none of its reactors accepts any more. A new connection wakes one of those who wait at a socket, which may have been
//! a predecessor that just stopped accepting; so the successor looks at the queues once more then.
//!
//! The socket at the path is handed over too: it is never absent, and never bound twice.

mod door;
mod leaving;
mod message;
mod successor;

pub use door::HandoverNews;
pub(crate) use door::{DoorNews, Knocker, Threshold, Watched};
pub(crate) use leaving::Leaving;
pub(crate) use successor::{Found, Predecessor, look};
