//! What a worker counts: plain sums, added up over workers.

macro_rules! counters {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub(crate) struct $name {
            $($(#[$field_doc])* pub(crate) $field: u64,)*
        }

        impl $name {
            pub(crate) fn add(&mut self, other: &$name) {
                $(self.$field += other.$field;)*
            }
        }
    };
}

counters! {
    /// System calls and bytes; read twice, at the ends of the window. `retransmits` counts only segments of
    /// TCP in user space; the kernel has its own counters.
    Traffic {
        recv, send, epoll_wait, epoll_ctl, connect, close, enter, register, sqes, cqes, read, write, poll,
        retransmits, bytes_in, bytes_out,
    }
}

impl Traffic {
    pub(crate) fn since(self, before: Traffic) -> Traffic {
        Traffic {
            recv: self.recv - before.recv,
            send: self.send - before.send,
            epoll_wait: self.epoll_wait - before.epoll_wait,
            epoll_ctl: self.epoll_ctl - before.epoll_ctl,
            connect: self.connect - before.connect,
            close: self.close - before.close,
            enter: self.enter - before.enter,
            register: self.register - before.register,
            sqes: self.sqes - before.sqes,
            cqes: self.cqes - before.cqes,
            read: self.read - before.read,
            write: self.write - before.write,
            poll: self.poll - before.poll,
            retransmits: self.retransmits - before.retransmits,
            bytes_in: self.bytes_in - before.bytes_in,
            bytes_out: self.bytes_out - before.bytes_out,
        }
    }
}

counters! {
    /// Requests whose intended time lies in the measured window. Each is counted once as scheduled, once as
    /// sent or unsent, and, when sent, under exactly one of `completed` to `censored`. In addition, `resent`
    /// counts each time that one was written again.
    Requests { scheduled, sent, unsent, completed, failed, timed_out, censored, resent }
}

counters! {
    /// The open loop's queue while requests arrived (see `Tally::paced_ns`), and what came in meanwhile.
    Pace {
        /// Good replies, to requests of the warm-up too.
        answered,
        /// Arrivals that got a connection.
        dispatched,
        /// Arrivals of the warm-up that waited when the window began, and those dropped then.
        waiting_start,
        dropped,
        /// Requests without a reply at either end.
        in_flight_start,
        in_flight_end,
    }
}

counters! {
    /// Connects and connections of the whole run.
    Connects {
        attempts,
        opened,
        failed,
        pending,
        reconnects,
        /// Connections that ended without being announced, at any time after the first was established.
        lost,
        /// Connections that ended as announced by the peer or planned here.
        closed,
        /// Connections open at the very end.
        open,
        /// Open when the load began.
        established,
        /// Open from the start of the window to its end.
        held,
        /// Connections of a dead client that the server still had, and that were reset to make room.
        replaced,
    }
}

counters! {
    /// What became of clients that lost their connection, with a reconnect policy. Each of them is counted if its loss
    /// lies in the window: `lost = lost_again + served_again + unserved`, `attempts = connected + attempts_failed +
    /// attempts_pending`, and hellos were sent as often as answered, failed and unanswered.
    Reconnects {
        lost,
        /// Lost once more before a good reply.
        lost_again,
        served_again,
        unserved,
        /// Connects begun, and what came of them.
        attempts,
        connected,
        attempts_failed,
        attempts_pending,
        /// The attempts of those that were served.
        attempts_of_served,
        /// Attempts that the budget, and the breaker, put off.
        put_off,
        breaker_put_off,
        breaker_opened,
        /// Attempts that waited as long as the server had asked for.
        told,
        hellos_sent,
        hellos_answered,
        hellos_failed,
        hellos_unanswered,
    }
}
