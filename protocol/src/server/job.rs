//! Work that a reply waits for, and what came of it. Data alone: who does the work is the server's business.

/// Work that a connection awaits after [`Then::Await`](super::Then::Await).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// Who does it.
    pub place: Place,
    /// What is done.
    pub work: Work,
}

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The reactor itself, and everybody waits meanwhile: the mistake that the pool is there for.
    Reactor,
    /// A thread of the pool.
    Pool,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Sleep for so many milliseconds, as a call that blocks does.
    Sleep {
        /// Milliseconds.
        ms: u32,
    },
    /// Use so many microseconds of CPU time.
    Burn {
        /// Microseconds.
        us: u32,
    },
    /// Look up a row of the database.
    Query {
        /// Its key.
        key: u32,
    },
}

/// What came of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// It is done, and there is nothing to tell.
    Done,
    /// The row that was looked up.
    Found(Row),
    /// There is no such row.
    NotFound,
    /// The queue of the pool was full.
    Refused,
    /// Its deadline passed before it began.
    Expired,
    /// The database could not answer.
    Failed,
}

/// Longest value of a row in bytes: with its head it fits any reply.
pub const ROW_LEN_MAX: usize = 64;

/// The value of a row. It is a copy of fixed size, so that passing it on allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    bytes: [u8; ROW_LEN_MAX],
    len: u8,
}

impl Row {
    /// A row with this value; `None` if that is longer than [`ROW_LEN_MAX`].
    pub fn new(value: &[u8]) -> Option<Row> {
        let mut bytes = [0; ROW_LEN_MAX];
        bytes.get_mut(..value.len())?.copy_from_slice(value);
        Some(Row { bytes, len: value.len() as u8 })
    }

    /// The value.
    pub fn value(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_its_value_or_nothing() {
        let longest = [b'v'; ROW_LEN_MAX];
        for value in [b"".as_slice(), b"value", &longest] {
            assert_eq!(Row::new(value).expect("it fits").value(), value);
        }
        assert_eq!(Row::new(&[b'v'; ROW_LEN_MAX + 1]), None);
    }
}
