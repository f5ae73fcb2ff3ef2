//! The walls in words: how each is hit, what fails there, what shows it, and what mends it. Text only.

use crate::walk::record::Wall;

/// What is known of a wall before anybody runs into it.
pub(super) struct Known {
    pub(super) title: &'static str,
    pub(super) how: &'static str,
    pub(super) fails: &'static str,
    pub(super) server: &'static str,
    pub(super) counter: &'static str,
    pub(super) mends: &'static [&'static str],
    pub(super) traps: &'static [&'static str],
}

pub(super) fn known(wall: Wall) -> Known {
    match wall {
        Wall::Soft => SOFT,
        Wall::Hard => HARD,
        Wall::NrOpen => NR_OPEN,
        Wall::FileMax => FILE_MAX,
        Wall::EpollWatches => EPOLL_WATCHES,
        Wall::RingTable => RING_TABLE,
        Wall::RingSlots => RING_SLOTS,
    }
}

const SOFT: Known = Known {
    title: "The soft limit (RLIMIT_NOFILE, soft)",
    how: "A process of its own with a soft limit of 1,024, the usual default, fills its table; then a client comes.",
    fails: "accept(2), socket(2), open(2), epoll_create1(2) with EMFILE",
    server: "The connection stays in the accept queue, and the listener readable: a loop that does not pause spins. Logs, \
             certificates and name look-ups fail too, because they need descriptors.",
    counter: "`emfile_failures` and `emfile_pauses` of `c10m serve --json`; any other server: `strace -fc -e trace=accept4`, and \
              entries of /proc/PID/fd against \"Max open files\" of /proc/PID/limits",
    mends: &["ulimit -Sn $(ulimit -Hn)", "prlimit --pid PID --nofile=65536: # of a running process, soft limit only"],
    traps: &[
        "A program may raise it to the hard limit without any right: `c10m`, Go and Java programs do, most others do not.",
        "It is low on purpose: select(2) breaks on descriptors from 1,024 on. Raise it only for programs without select.",
    ],
};

const HARD: Known = Known {
    title: "The hard limit (RLIMIT_NOFILE, hard)",
    how: "A process of its own raises its soft limit to the hard one and fills its table; then an ordinary user asks for one more.",
    fails: "accept(2) and the others with EMFILE; setrlimit(2) above it with EPERM, without CAP_SYS_RESOURCE",
    server: "As at the soft limit, but the program cannot help itself any more.",
    counter: "as above; \"Max open files\" of /proc/PID/limits, second number",
    mends: &[
        "systemctl edit SERVICE # [Service] LimitNOFILE=1048576, then restart it",
        "prlimit --pid PID --nofile=1048576:1048576 # of a running process, as root",
        "docker run --ulimit nofile=1048576:1048576 IMAGE",
        "echo '* hard nofile 1048576' >> /etc/security/limits.conf # only for logins by PAM",
    ],
    traps: &[
        "Units of systemd ignore /etc/security/limits.conf: only LimitNOFILE= and DefaultLimitNOFILE= count for them.",
        "Neither file changes processes that run already: log in again, or use prlimit.",
        "It bounds a table, not a host: each reactor of `c10m serve` has a table of its own, so `--reactors 2` has twice as many.",
        "It is not a count but the first number that is not given: a gap of closed descriptors is free to use.",
    ],
};

const NR_OPEN: Known = Known {
    title: "fs.nr_open, the limit of hard limits",
    how: "A process of its own raises its hard limit to fs.nr_open, and then by one more. The setting is left alone.",
    fails: "setrlimit(2) with EPERM, even for root",
    server: "It does not start with the limit that its configuration names, or starts with the old one and a warning in its log.",
    counter: "none; sysctl fs.nr_open against what was asked for",
    mends: &["sysctl -w fs.nr_open=10000000 # first; then the hard limit, then the soft one"],
    traps: &[
        "The message is about permission, so people look for a missing right: `ulimit -n unlimited` fails as root, too.",
        "LimitNOFILE=infinity of systemd means fs.nr_open, which may be a billion: programs that close every possible \
         descriptor at their start then seem to hang.",
    ],
};

const FILE_MAX: Known = Known {
    title: "fs.file-max, open files of the whole host",
    how: "Not at all: it belongs to the host, not to a namespace or a user.",
    fails: "accept(2), socket(2), open(2) of whoever lacks CAP_SYS_ADMIN, with ENFILE, \"Too many open files in system\"",
    server: "As with EMFILE, but every program of the host is short, shells included. Closing own connections may not help: another \
             program takes what becomes free.",
    counter: "cat /proc/sys/fs/file-nr (first against third number); dmesg: \"VFS: file-max limit N reached\"",
    mends: &["sysctl -w fs.file-max=4000000", "lsof -n | awk '{print $1}' | sort | uniq -c | sort -n # who has them"],
    traps: &[
        "CAP_SYS_ADMIN is exempt: a test as root never sees it, the service of an ordinary user does.",
        "Both ends of a connection on one host count, and so do direct descriptors of io_uring.",
        "A ring says ENFILE for its own full table, too: see the last wall.",
    ],
};

const EPOLL_WATCHES: Known = Known {
    title: "fs.epoll.max_user_watches, what one user may watch",
    how: "A user that has no other process watches the same few thousand descriptors in one epoll set after another: each pair counts.",
    fails: "epoll_ctl(2) with ENOSPC, \"No space left on device\"",
    server: "accept(2) succeeds, and then nobody waits for requests of that connection. A server has to close it; one that ignores the \
             error holds it for ever.",
    counter: "none of the kernel; `tfid:` lines of /proc/PID/fdinfo/* of all processes of the user; a server's own count of failed \
              epoll_ctl",
    mends: &["sysctl -w fs.epoll.max_user_watches=20000000"],
    traps: &[
        "Root is not exempt, and all containers that run as the same user share it.",
        "The message is about a device, so people look at disks.",
        "Each watch takes some 208 bytes of kernel memory, charged to the memory group: raise that limit with it.",
    ],
};

const RING_TABLE: Known = Known {
    title: "The table of an io_uring",
    how: "A ring of its own asks for one slot more than RLIMIT_NOFILE.",
    fails: "io_uring_register(2) with EMFILE",
    server: "`c10m serve --backend io_uring` sizes its table by the limit, and refuses to start with a larger --max-connections.",
    counter: "none; RLIMIT_NOFILE, and at most 1,048,576 for each ring",
    mends: &["ulimit -n 1048576", "c10m serve echo --backend io_uring --reactors 10 # a ring, and a table, for each"],
    traps: &[
        "Direct descriptors take no numbers of the process, but their table is bounded by RLIMIT_NOFILE all the same.",
    ],
};

const RING_SLOTS: Known = Known {
    title: "A full table of an io_uring",
    how: "A ring of its own opens three sockets into a table of two slots.",
    fails: "the completion of an accept or a socket with ENFILE, \"Too many open files in system\"",
    server: "A multishot accept ends with that completion and has to be started again, after a pause: the rest is as with EMFILE.",
    counter: "`full_pauses` of `c10m serve --backend io_uring --json`, which stops accepting before its table is full",
    mends: &["c10m serve echo --backend io_uring --max-connections 100000 # a larger table, within RLIMIT_NOFILE"],
    traps: &["The number is that of fs.file-max, but the host has files left: raising fs.file-max changes nothing."],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wall_has_all_its_words() {
        for wall in Wall::ALL {
            let known = known(wall);
            for text in [known.title, known.how, known.fails, known.server, known.counter] {
                assert!(text.len() > 10, "{wall:?}: {text:?}");
            }
            assert!(known.how.ends_with('.') && known.server.ends_with('.'), "{wall:?}");
            assert!(!known.mends.is_empty() && known.traps.iter().all(|trap| trap.ends_with('.')), "{wall:?}");
        }
    }
}
