//! One suite of behaviour over real sockets, run once per backend variant: what holds for one holds for all.
//! A variant is skipped only if this host cannot run it, and then the test says so; with `CI` set, that is a
//! failure.

mod admission;
mod bytes;
mod ends;
mod handicap;
mod handover;
mod harness;
mod http;
mod jobs;
mod limits;
mod memory;
mod places;

macro_rules! suite {
    ($($module:ident is $variant:ident),+ $(,)?) => { $(
        mod $module {
            use server::Variant;
            cases!($variant:
                bytes: partial_writes, pipelining, slow_reader_of_echo, slow_reader_of_bytes, greedy_reader, big_body,
                       many_connections, urgent_data, ipv6, more_reactors_than_cores;
                ends: half_close, half_close_in_a_request, reset, reset_under_load, refusal_reaches_the_peer,
                      close_on_request, drain_under_load, drain_of_idle, drain_forced, second_order_stops,
                      queued_connections_are_served, no_reset_overtakes_a_reply, idle_close_is_a_fin,
                      drain_with_a_peer_that_stays, drain_at_the_limit, drain_at_the_limit_is_forced,
                      stop_counts_every_connection;
                limits: idle_timeout, header_timeout, stalled_body, slow_body, slow_long_body, unread_long_body, stalled_reply, connection_limit, crowd_that_left, port_in_use,
                        stalled_peers_free_their_places, empty_lines_are_no_progress, slow_reader_is_not_stalled;
                handover: hand_overs_under_load, no_connection_is_overlooked, each_serves_its_own, who_does_not_take_over_changes_nothing,
                          a_refused_successor_leaves_no_mark, a_refused_successor_leaves_the_program,
                          a_stop_after_a_hand_over;
                handicap: every_request_pays, the_first_request_pays;
                admission: accept_rate, rate_of_several_places, rate_in_a_drain, waiting_room_order, full_waiting_room,
                           waiting_room_in_a_drain, waiting_room_at_a_stop, told_to_come_again, told_once;
                http: strict_framing, long_heads_byte_by_byte, expectations, one_final_reply;
                jobs: job_in_a_pipeline, input_during_a_job, others_meanwhile, full_queue, peer_leaves_in_a_job, drain_in_a_job,
                      timers_of_a_job, unread_during_a_job, pool_of_several_reactors;
                memory: hogs_of_generated_replies, hogs_of_echoed_bodies, hogs_of_collected_bodies,
                        unread_input_is_bounded;
                places: several_addresses, unix_socket, unix_queue_is_served, live_counters;
            );
        }
    )+ };
}

macro_rules! cases {
    ($variant:ident: $($group:ident: $($case:ident),+;)+) => { $($(
        #[test]
        fn $case() {
            if crate::harness::available(Variant::$variant) {
                crate::$group::$case(Variant::$variant);
            }
        }
    )+)+ };
}

suite! {
    epoll_level is EpollLevel,
    epoll_edge is EpollEdge,
    mio_edge is MioEdge,
    io_uring_multishot is UringMultishot,
    io_uring_poll is UringPoll,
    io_uring_inline is UringInline,
    io_uring_gather is UringGather,
}
