//! Why requests and connections are lost, counted by cause and named for the record.

use protocol::client::Fault;
use rustix::io::Errno;
use std::collections::BTreeMap;

/// Statuses and error numbers beyond these share the last counter.
const STATUS_MAX: usize = 999;
const ERRNO_MAX: usize = 140;

/// Why a request or a connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The reply was wrong.
    Fault(Fault),
    /// The peer closed without a byte of the reply.
    ClosedByPeer,
    /// Bytes came although nothing had been asked.
    Unsolicited,
    Timeout,
    Error(Errno),
}

/// Counters by cause, as arrays: the hot path neither hashes nor allocates.
#[derive(Debug, Clone)]
pub(crate) struct Causes {
    faults: [u64; Fault::ALL.len()],
    closed_by_peer: u64,
    unsolicited: u64,
    timeout: u64,
    /// Requests lost because the reply to an earlier one of their batch was.
    batch_lost: u64,
    statuses: Box<[u64; STATUS_MAX + 1]>,
    errors: Box<[u64; ERRNO_MAX + 1]>,
}

impl Causes {
    pub(crate) fn new() -> Self {
        Causes {
            faults: [0; Fault::ALL.len()],
            closed_by_peer: 0,
            unsolicited: 0,
            timeout: 0,
            batch_lost: 0,
            statuses: Box::new([0; STATUS_MAX + 1]),
            errors: Box::new([0; ERRNO_MAX + 1]),
        }
    }

    pub(crate) fn count(&mut self, cause: Cause) {
        self.count_n(cause, 1);
    }

    pub(crate) fn count_n(&mut self, cause: Cause, count: u64) {
        let counter = match cause {
            Cause::Fault(fault) => &mut self.faults[fault as usize],
            Cause::ClosedByPeer => &mut self.closed_by_peer,
            Cause::Unsolicited => &mut self.unsolicited,
            Cause::Timeout => &mut self.timeout,
            Cause::Error(errno) => &mut self.errors[(errno.raw_os_error() as usize).min(ERRNO_MAX)],
        };
        *counter += count;
    }

    pub(crate) fn count_status(&mut self, status: u16) {
        self.statuses[usize::from(status).min(STATUS_MAX)] += 1;
    }

    pub(crate) fn count_batch_lost(&mut self, count: u64) {
        self.batch_lost += count;
    }

    pub(crate) fn add(&mut self, other: &Causes) {
        let add = |own: &mut [u64], others: &[u64]| own.iter_mut().zip(others).for_each(|(own, other)| *own += other);
        add(&mut self.faults, &other.faults);
        add(&mut self.statuses[..], &other.statuses[..]);
        add(&mut self.errors[..], &other.errors[..]);
        self.closed_by_peer += other.closed_by_peer;
        self.unsolicited += other.unsolicited;
        self.timeout += other.timeout;
        self.batch_lost += other.batch_lost;
    }

    /// The error number seen most often.
    pub(crate) fn most_frequent_error(&self) -> Option<Errno> {
        let (number, count) = self.errors.iter().enumerate().max_by_key(|(_, count)| **count)?;
        (*count > 0).then(|| Errno::from_raw_os_error(number as i32))
    }

    /// Errors that mean the host is short of something.
    pub(crate) fn host_shortages(&self) -> u64 {
        let short = [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS, Errno::NOMEM];
        short.iter().map(|errno| self.errors[errno.raw_os_error() as usize]).sum()
    }

    /// How often a system call failed with this error.
    pub(crate) fn count_of(&self, errno: Errno) -> u64 {
        self.errors[(errno.raw_os_error() as usize).min(ERRNO_MAX)]
    }

    /// The counters above zero under their names.
    pub(crate) fn named(&self) -> BTreeMap<String, u64> {
        let mut named = BTreeMap::new();
        let mut put = |name: String, count: u64| {
            if count > 0 {
                *named.entry(name).or_insert(0) += count;
            }
        };
        Fault::ALL.iter().for_each(|&fault| put(fault.name().into(), self.faults[fault as usize]));
        put("closed_by_peer".into(), self.closed_by_peer);
        put("unsolicited_bytes".into(), self.unsolicited);
        put("timeout".into(), self.timeout);
        put("batch_lost".into(), self.batch_lost);
        self.statuses.iter().enumerate().for_each(|(status, &count)| put(format!("status_{status}"), count));
        self.errors.iter().enumerate().for_each(|(number, &count)| put(error_name(number), count));
        named
    }
}

/// Error numbers with a name of their own in records, errno(3) or a word for what peers do to connections, and what
/// they mean.
pub(crate) const ERRORS: [(Errno, &str, &str); 20] = [
    (Errno::CONNRESET, "connection_reset", "the server reset the connection"),
    (Errno::PIPE, "broken_pipe", "the server had closed the connection when the request was written"),
    (Errno::CONNREFUSED, "ECONNREFUSED", "nobody listens there"),
    (Errno::TIMEDOUT, "ETIMEDOUT", "the server did not answer a connect or a segment in time"),
    (Errno::CONNABORTED, "ECONNABORTED", "this host ended the connection"),
    (Errno::HOSTUNREACH, "EHOSTUNREACH", "no route to the host"),
    (Errno::NETUNREACH, "ENETUNREACH", "no route to the network"),
    (Errno::ADDRNOTAVAIL, "EADDRNOTAVAIL", "no source address or port was left on this host"),
    (Errno::ADDRINUSE, "EADDRINUSE", "the source address and port are in use"),
    (Errno::MFILE, "EMFILE", "no descriptor was left to a worker (`ulimit -n`)"),
    (Errno::NFILE, "ENFILE", "no descriptor was left on this host (fs.file-max)"),
    (Errno::NOBUFS, "ENOBUFS", "the kernel was short of buffers"),
    (Errno::NOMEM, "ENOMEM", "the kernel was short of memory"),
    (Errno::NOSPC, "ENOSPC", "no watch was left for epoll (fs.epoll.max_user_watches)"),
    (Errno::AGAIN, "EAGAIN", "the queue of a unix socket was full (connect(2))"),
    (Errno::NOENT, "ENOENT", "there is no such unix socket"),
    (Errno::PROTOTYPE, "EPROTOTYPE", "the unix socket is of another kind"),
    (Errno::ACCESS, "EACCES", "the kernel does not permit this connect"),
    (Errno::PERM, "EPERM", "a rule of this host's firewall forbids it"),
    (Errno::INVAL, "EINVAL", "the kernel refuses the call: source and target do not fit together"),
];

/// The name of an error number in records.
pub(crate) fn error_name(number: usize) -> String {
    let known = ERRORS.iter().find(|(errno, ..)| errno.raw_os_error() as usize == number);
    known.map_or_else(|| format!("errno_{number}"), |(_, name, _)| (*name).into())
}

#[cfg(test)]
impl Causes {
    /// Each counter at one.
    pub(crate) fn with_all() -> Causes {
        Causes {
            faults: [1; Fault::ALL.len()],
            closed_by_peer: 1,
            unsolicited: 1,
            timeout: 1,
            batch_lost: 1,
            statuses: Box::new([1; STATUS_MAX + 1]),
            errors: Box::new([1; ERRNO_MAX + 1]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_keep_their_names_when_added() {
        let (mut one, mut two) = (Causes::new(), Causes::new());
        for causes in [&mut one, &mut two] {
            causes.count(Cause::Fault(Fault::WrongBody));
            causes.count(Cause::Error(Errno::CONNRESET));
            causes.count_n(Cause::Timeout, 3);
            causes.count_status(404);
            causes.count_status(65_535);
        }
        two.count(Cause::Error(Errno::MFILE));
        one.add(&two);
        let expected = [
            ("EMFILE", 1),
            ("connection_reset", 2),
            ("status_404", 2),
            ("status_999", 2),
            ("timeout", 6),
            ("wrong_body", 2),
        ];
        assert_eq!(one.named(), expected.map(|(name, count)| (name.to_owned(), count)).into());
        assert_eq!(one.host_shortages(), 1);
        assert_eq!(one.most_frequent_error(), Some(Errno::CONNRESET));
        assert_eq!(Causes::new().most_frequent_error(), None);
    }
}
