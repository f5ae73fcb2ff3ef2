//! Which TCP counters of Linux are kept, and what each means. Reads nothing.

/// Names as in the `Tcp` line of /proc/net/snmp and the `TcpExt` line of /proc/net/netstat, in byte order, each with
/// the meaning of one more. As of Linux 6.18: net/ipv4/proc.c has the names, net/ipv4/tcp*.c the places that count,
/// and Documentation/networking/snmp_counter.rst most of the explanations.
const TABLE: [(&str, &str); 89] = [
    ("ActiveOpens", "a connect sent its first SYN"),
    ("AttemptFails", "a handshake failed, on either side"),
    ("BeyondWindow", "a segment reached beyond the advertised receive window and was dropped"),
    ("BusyPollRxPackets", "a packet was received by busy polling instead of an interrupt"),
    ("DelayedACKLocked", "a delayed ACK had to wait longer, because the process was using the socket"),
    ("DelayedACKLost", "an old segment came again: perhaps its ACK was lost or too late"),
    ("DelayedACKs", "an ACK was sent by timer: no reply left in time to carry it"),
    ("EmbryonicRsts", "a reset ended a connection before its handshake was complete"),
    ("EstabResets", "an established connection ended without FINs: reset by a side, or given up"),
    ("IPReversePathFilter", "rp_filter dropped a packet whose source address had no way back"),
    ("InCsumErrors", "a segment had a wrong checksum"),
    ("InErrs", "a segment was malformed or had a wrong checksum"),
    ("InSegs", "a segment was received; merged ones (GRO) count once"),
    ("ListenDrops", "a listener dropped a SYN or the end of a handshake, for whatever reason"),
    ("ListenOverflows", "an accept queue was full: the server accepts too slowly or its backlog is short"),
    ("OfoPruned", "a socket short of receive memory threw away segments that were out of order"),
    ("OutRsts", "a reset was sent"),
    ("OutSegs", "a segment was sent; retransmissions are not counted"),
    ("PAWSEstab", "a segment of an open connection was dropped for its old timestamp"),
    ("PFMemallocDrop", "a packet in memory from the emergency reserve was dropped"),
    ("PassiveOpens", "a listener completed a handshake"),
    ("PruneCalled", "a socket outgrew its receive buffer and had to make room: the process reads too slowly"),
    ("RcvPruned", "a socket could not make room, and what arrived was dropped"),
    ("RetransSegs", "a segment was retransmitted, SYNs included"),
    ("SyncookiesFailed", "an ACK without a pending handshake carried no valid SYN cookie"),
    ("SyncookiesRecv", "a handshake was completed by a SYN cookie"),
    ("SyncookiesSent", "a SYN was answered with a cookie, because the SYN queue was full"),
    ("TCPACKSkippedChallenge", "a challenge ACK was left out to keep to the rate limit"),
    (
        "TCPACKSkippedSynRecv",
        "a repeated SYN or an odd segment in a handshake was not answered, to keep to the rate limit",
    ),
    ("TCPAbortFailed", "a reset could not be sent for want of memory"),
    ("TCPAbortOnClose", "a process closed a socket with unread data, which resets the connection"),
    ("TCPAbortOnData", "a connection was reset: closed with SO_LINGER zero, or data came after the close"),
    ("TCPAbortOnLinger", "a closed connection was reset instead of waiting for the peer's FIN"),
    ("TCPAbortOnMemory", "a closed connection was reset: tcp_mem or tcp_max_orphans was exceeded"),
    ("TCPAbortOnTimeout", "a connection was given up after too many retransmissions or probes"),
    ("TCPAckCompressed", "an ACK was held back to be sent as one with the next"),
    ("TCPAutoCorking", "a small send was held back to be merged with the next"),
    ("TCPBacklogCoalesce", "a segment was merged with another while the process was using the socket"),
    ("TCPBacklogDrop", "a segment was dropped: the queue for a socket in use by its process was full"),
    ("TCPChallengeACK", "a suspicious segment was answered with a challenge ACK (RFC 5961)"),
    ("TCPDSACKOldSent", "a segment came twice and the sender was told: it retransmitted without need"),
    ("TCPDSACKRecv", "the peer got a segment twice: this side retransmitted without need"),
    ("TCPDeferAcceptDrop", "the end of a handshake was ignored for want of data (TCP_DEFER_ACCEPT)"),
    ("TCPDelivered", "a segment was acknowledged by the peer"),
    ("TCPFastRetrans", "a segment was retransmitted before its timer, because later ones had arrived"),
    ("TCPFromZeroWindowAdv", "a closed receive window was opened again"),
    ("TCPHPAcks", "an ACK without data took the fast path"),
    ("TCPHPHits", "a segment with data took the fast path"),
    ("TCPKeepAlive", "a keepalive probe was sent"),
    ("TCPLossProbeRecovery", "a tail loss probe repaired a loss"),
    ("TCPLossProbes", "a tail loss probe was sent: the ACK of the last segment was overdue"),
    ("TCPLostRetransmit", "a retransmission was itself lost"),
    ("TCPMemoryPressures", "TCP entered memory pressure: the middle value of tcp_mem was passed"),
    ("TCPMemoryPressuresChrono", "a millisecond was spent under memory pressure"),
    ("TCPMigrateReqFailure", "a handshake could not move to another listener of its group and was lost"),
    ("TCPMigrateReqSuccess", "a handshake moved to another listener of its group, because its own closed"),
    ("TCPMinTTLDrop", "a segment with too low a TTL was dropped (IP_MINTTL)"),
    ("TCPOFODrop", "a segment out of order was dropped for want of receive memory"),
    ("TCPOFOMerge", "a segment out of order overlapped one already queued"),
    ("TCPOFOQueue", "a segment arrived out of order and was queued"),
    ("TCPOrigDataSent", "a segment with new data was sent"),
    ("TCPPureAcks", "an ACK without data took the slow path"),
    ("TCPRcvCoalesce", "a segment was merged with one that the process had not read yet"),
    ("TCPRcvCollapsed", "a receive buffer was merged into another to save memory"),
    ("TCPRcvQDrop", "a segment was dropped because the socket's receive buffer was full"),
    ("TCPReqQFullDoCookies", "the SYN queue was full and a cookie was sent"),
    ("TCPReqQFullDrop", "the SYN queue was full and the SYN was dropped"),
    ("TCPRetransFail", "the layer below refused a retransmission"),
    ("TCPSACKReorder", "reordering was noticed by selective ACKs"),
    ("TCPSYNChallenge", "a SYN on an open connection called for a challenge ACK"),
    ("TCPSackRecovery", "a recovery from loss began"),
    ("TCPSlowStartRetrans", "a segment was retransmitted after its timer had expired"),
    ("TCPSpuriousRTOs", "a retransmission timer proved to have expired without a loss"),
    ("TCPSpuriousRtxHostQueues", "a retransmission was left out: the original had not left this host"),
    ("TCPSynRetrans", "a SYN or SYN-ACK was sent again: no reply for a second, or a TIME-WAIT of the same ports"),
    ("TCPTSReorder", "reordering was noticed when a gap closed by itself"),
    ("TCPTimeWaitOverflow", "a connection skipped TIME-WAIT: tcp_max_tw_buckets or memory was exhausted"),
    ("TCPTimeouts", "a retransmission timer expired: by default 200 ms or more were lost"),
    ("TCPToZeroWindowAdv", "a receive window was closed: the process does not read"),
    ("TCPWantZeroWindowAdv", "a receive window should have been closed, but what was promised is kept"),
    ("TCPWinProbe", "a closed window of the peer was probed"),
    ("TCPWqueueTooBig", "a segment was not split, because the send queue was too long"),
    ("TCPZeroWindowDrop", "data was dropped because it came while the receive window was closed"),
    ("TSEcrRejected", "a segment was dropped for a timestamp echo that was never sent"),
    ("TW", "a connection entered TIME-WAIT"),
    ("TWKilled", "a connection entered a TIME-WAIT of at most 4 s"),
    ("TWRecycled", "a TIME-WAIT was reused for a new connection"),
    ("TcpDuplicateDataRehash", "the path was changed because the same data came repeatedly"),
    ("TcpTimeoutRehash", "the path was changed after a retransmission timer"),
];

/// What one more of the counter `name` means, in one line. `None` if the counter is not kept.
pub fn meaning(name: &str) -> Option<&'static str> {
    position(name).map(|index| TABLE[index].1)
}

/// Index of a kept counter.
fn position(name: &str) -> Option<usize> {
    TABLE.binary_search_by(|(known, _)| (*known).cmp(name)).ok()
}

/// One value for each kept counter, in the order of the table. What was not found is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counters(Vec<Option<u64>>);

impl Default for Counters {
    fn default() -> Self {
        Counters(vec![None; TABLE.len()])
    }
}

impl Counters {
    /// Stores a value if its name is kept.
    pub(crate) fn put(&mut self, name: &str, value: u64) {
        if let Some(index) = position(name) {
            self.0[index] = Some(value);
        }
    }

    /// Each counter's name with its growth since `earlier`. Absent if the counter is missing in one of the samples, or
    /// went back. These counters never go back within a network namespace, so the samples are then from different
    /// ones, and any difference, even zero, would be made up.
    pub(crate) fn since(&self, earlier: &Counters) -> impl Iterator<Item = (&'static str, Option<u64>)> {
        let growth = self.0.iter().zip(&earlier.0).map(|(after, before)| (*after)?.checked_sub((*before)?));
        TABLE.iter().map(|(name, _)| *name).zip(growth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_says_something() {
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0), "binary search needs byte order");
        for (name, text) in TABLE {
            assert_eq!(meaning(name), Some(text));
            assert!(text.len() > 10 && !text.ends_with('.'), "{name}");
        }
        for unknown in ["", "CurrEstab", "listendrops", "TCPMD5NotFound"] {
            assert_eq!(meaning(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn growth_needs_both_ends_and_a_forward_step() {
        let counters = |values: &[(&str, u64)]| {
            let mut counters = Counters::default();
            values.iter().for_each(|(name, value)| counters.put(name, *value));
            counters
        };
        let before = counters(&[("InSegs", 5), ("OutSegs", 7), ("RetransSegs", 9), ("TW", 1), ("Unheard", 1)]);
        let after = counters(&[("InSegs", 8), ("OutSegs", 7), ("RetransSegs", 2), ("ListenDrops", 4)]);
        for (name, growth) in after.since(&before) {
            let expected = match name {
                "InSegs" => Some(3),
                "OutSegs" => Some(0),
                _ => None,
            };
            assert_eq!(growth, expected, "{name}");
        }
    }
}
