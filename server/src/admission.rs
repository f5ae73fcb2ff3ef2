//! What a server does about more connections than it can serve. Settings only; `shard` and the backends follow them.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// These settings. By default every connection is taken in as soon as there is room for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// Most connections that all reactors together take in per second; `None`: no limit. Further ones wait in the accept
    /// queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_rate: Option<NonZeroU32>,
    /// Connections beyond the accept rate do not wait: their first request is answered with when to come again, in
    /// seconds, and they close. For HTTP, and without a waiting room; `None`: they wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<NonZeroU16>,
    /// Where accepted connections wait for their turn; `None`: nowhere, since the rest of them stay in the accept queue.
    /// For epoll and mio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_room: Option<WaitingRoom>,
    /// What accept does when descriptors run out.
    pub when_short: WhenShort,
}

/// A place in each reactor for connections that are accepted and not served yet: the rate takes them in from here. When
/// it is full, the oldest one is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingRoom {
    /// Who is served first.
    pub order: AcceptOrder,
    /// Most connections that wait in one reactor. Each takes a descriptor.
    pub places: NonZeroU32,
}

/// Which of those who wait is served first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AcceptOrder {
    /// The one that has waited longest, as in an accept queue.
    Oldest,
    /// The one that came last. In a crowd the others have often given up by the time it would be their turn.
    Newest,
}

/// What accept does when descriptors run out (EMFILE, ENFILE). The limit on connections is another matter: there accept
/// always rests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenShort {
    /// It rests for 100 ms, and connections wait in the accept queue.
    #[default]
    Pause,
    /// It tries again at once, as many servers do by mistake: a listener that stays readable makes the loop spin. For a
    /// level-triggered listener.
    Spin,
    /// It takes connections on a descriptor kept in reserve, and resets them. For epoll and mio.
    Shed,
    /// It closes connections that have been idle longest, and goes on. If none is idle, it rests. For epoll and mio, and
    /// an idle timeout of at most [`Admission::EVICT_IDLE_TIMEOUT_MAX`].
    Evict,
}

impl WaitingRoom {
    /// Places, unless another number is asked for.
    pub const PLACES: NonZeroU32 = NonZeroU32::new(1024).unwrap();
    /// Most places.
    pub const PLACES_MAX: u32 = 65_536;
}

impl Admission {
    /// Within one turn of the timer wheel, connections are in the order of their idle timeouts, so that is the longest
    /// with which it tells who has been idle longest.
    pub const EVICT_IDLE_TIMEOUT_MAX: Duration = Duration::from_secs(100);

    /// Whether nothing was asked for.
    pub fn is_default(&self) -> bool {
        *self == Admission::default()
    }
}
