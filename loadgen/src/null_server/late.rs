//! Replies that come late: each request by itself has a chance of it, and holds up nobody else. So waits for a lock, a disk or
//! another service look from outside; a second copy of the request may be lucky.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use random::Random;
use sys::clock::duration_ns;

/// Which replies come late, and by how much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Late {
    /// How many of a thousand requests; each is drawn by itself.
    pub permille: u32,
    /// How long their replies are held back.
    pub by: Duration,
    /// Fixes which ones.
    pub seed: u64,
}

impl Late {
    pub(super) fn check(&self) -> io::Result<()> {
        let text = match self {
            Late { permille, .. } if *permille > 1000 => format!("{permille} late replies of a thousand are too many"),
            Late { by, .. } if by.is_zero() => "late replies must be late by more than zero".to_owned(),
            _ => return Ok(()),
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    }
}

/// The replies held back, in order of their times: all are late by the same.
pub(super) struct HeldBack {
    permille: u64,
    by_ns: u64,
    random: Random,
    /// When, on which connection, and its number: a place may have another by then.
    queue: VecDeque<(u64, usize, u64)>,
}

impl HeldBack {
    pub(super) fn new(late: Late) -> HeldBack {
        HeldBack {
            permille: u64::from(late.permille),
            by_ns: duration_ns(late.by),
            random: Random::new(late.seed),
            queue: VecDeque::new(),
        }
    }

    /// Draws whether the next reply comes late: itself, to hold it back.
    pub(super) fn draw(&mut self) -> Option<&mut HeldBack> {
        self.random.permille(self.permille).then_some(self)
    }

    pub(super) fn hold(&mut self, now_ns: u64, index: usize, number: u64) {
        self.queue.push_back((now_ns + self.by_ns, index, number));
    }

    /// When the next one is due.
    pub(super) fn due(&self) -> Option<u64> {
        self.queue.front().map(|held| held.0)
    }

    /// The next one that is due: place and number of its connection.
    pub(super) fn pop(&mut self, now_ns: u64) -> Option<(usize, u64)> {
        self.queue.pop_front_if(|held| held.0 <= now_ns).map(|(_, index, number)| (index, number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_as_many_are_late_as_asked_and_in_order() {
        let late = Late { permille: 100, by: Duration::from_millis(1), seed: 7 };
        let mut held = HeldBack::new(late);
        let count = (0..10_000).filter(|_| held.draw().is_some()).count();
        assert!((850..1150).contains(&count), "seed 7: {count}");
        held.hold(5, 1, 1);
        held.hold(6, 2, 9);
        assert_eq!((held.due(), held.pop(1_000_004)), (Some(1_000_005), None));
        assert_eq!((held.pop(1_000_006), held.pop(1_000_006), held.due()), (Some((1, 1)), Some((2, 9)), None));
        let mut never = HeldBack::new(Late { permille: 0, ..late });
        assert!((0..1000).all(|_| never.draw().is_none()));
        let mut always = HeldBack::new(Late { permille: 1000, ..late });
        assert!((0..1000).all(|_| always.draw().is_some()));
    }

    #[test]
    fn contradictions_are_refused() {
        let late = Late { permille: 10, by: Duration::from_millis(1), seed: 0 };
        late.check().expect("in order");
        assert!(Late { permille: 1001, ..late }.check().is_err());
        assert!(Late { by: Duration::ZERO, ..late }.check().is_err());
    }
}
