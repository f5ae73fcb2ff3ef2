//! Compares what the planner assumes about the server and the load generator with the real constants. If they differ,
//! the program does not compile. The planner's crate knows neither.

use tuning::budget;

const _: () = {
    assert!(budget::SERVER_ECHO_BYTES == server::ECHO_CONNECTION_LEN_MAX as u64);
    assert!(budget::SERVER_HTTP_BYTES == server::HTTP_CONNECTION_LEN_MAX as u64);
    assert!(budget::REACTOR_CONNECTIONS_MAX == server::CONNECTIONS_MAX);
    assert!(budget::RING_DESCRIPTORS_MAX == server::DIRECT_DESCRIPTORS_MAX);
    assert!(budget::REACTOR_DESCRIPTORS == server::RESERVED_DESCRIPTORS);
    assert!(budget::SERVER_RING_BYTES == server::RING_BYTES);
    assert!(budget::LISTEN_BACKLOG == server::SocketOptions::BACKLOG as u64);
    assert!(budget::IDLE_TIMEOUT_MS as u128 == server::Options::IDLE_TIMEOUT.as_millis());
    assert!(budget::GENERATOR_CONNECTION_BYTES == loadgen::CONNECTION_LEN_MAX as u64);
    assert!(budget::GENERATOR_RING_BYTES == loadgen::RING_BYTES);
    assert!(budget::TUN_PEER_BYTES == loadgen::TUN_PEER_LEN as u64);
    assert!(budget::WORKER_DESCRIPTORS == loadgen::plan::DESCRIPTOR_RESERVE);
    assert!(budget::THREADS_MAX == loadgen::THREADS_MAX as u64);
    assert!(budget::THREADS_MAX == server::Options::REACTORS_MAX as u64);
    assert!(budget::PORT_RESERVE_SHARE == loadgen::plan::PORT_RESERVE_SHARE as u64);
    assert!(budget::MEMORY_RESERVE_SHARE == loadgen::MEMORY_RESERVE_SHARE);
    assert!(budget::LOOPBACK_FILL == loadgen::plan::LOOPBACK_FILL as u64);
    assert!(budget::LOOPBACK_SOURCES_MAX == loadgen::plan::LOOPBACK_SOURCES_MAX as u64);
};
