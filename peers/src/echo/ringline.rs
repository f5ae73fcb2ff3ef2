//! `peer-ringline`: echo on ringline, a pinned io_uring worker for each CPU behind one accepting thread.

use std::future::Future;
use std::io;
use std::process::ExitCode;

use peers::{About, BACKLOG, Order, READ_LEN};
use ringline::{AsyncEventHandler, ConfigBuilder, ConnCtx, ParseResult, RinglineBuilder};

const ABOUT: About = About {
    library: "ringline",
    version: env!("RINGLINE_VERSION"),
    workload: "echo",
    configuration: "pinned workers, 1024 submission entries, multishot receive into 1024 provided buffers of 4 KiB, \
                    16,384 send slots of 4 KiB, no tick, helper threads off; one accepting thread hands the \
                    connections to the workers",
};

/// Entries of the submission queue; its completion queue is four times that.
const ENTRIES: u32 = 1024;
/// Provided buffers of each worker.
const RECEIVE_BUFFERS: u16 = 1024;
/// Sends that may be under way in a worker: one for each connection of the largest load, and some.
const SENDS: u16 = 16_384;
/// Connections of a worker.
const CONNECTIONS: u32 = 16_384;

/// What each worker runs.
struct Echo;

impl AsyncEventHandler for Echo {
    fn on_accept(&self, connection: ConnCtx) -> impl Future<Output = ()> + 'static {
        echo(connection)
    }

    fn create_for_worker(_worker: usize) -> Echo {
        Echo
    }
}

async fn echo(connection: ConnCtx) {
    let mut is_sent = true;
    while is_sent {
        let received = connection.with_data(|data| {
            is_sent = connection.send_nowait(data).is_ok();
            ParseResult::Consumed(data.len())
        });
        if received.await == 0 {
            return;
        }
    }
    // An echo with a gap would be wrong; a connection that closes early is counted as an error.
    connection.close();
}

fn main() -> ExitCode {
    peers::run(&ABOUT, serve)
}

fn serve(order: &Order) -> io::Result<()> {
    // It pins to consecutive CPUs, from an offset.
    let first = order.cpus[0];
    if !order.cpus.iter().copied().eq(first..first + order.cpus.len()) {
        return Err(io::Error::other(format!("the CPUs {:?} are not consecutive", order.cpus)));
    }
    let other = |error: ringline::Error| io::Error::other(error.to_string());
    let config = ConfigBuilder::new()
        .workers(order.cpus.len())
        .pin_to_core(true)
        .core_offset(first)
        .max_connections(CONNECTIONS)
        .accept_queue_capacity(CONNECTIONS as usize)
        .backlog(BACKLOG)
        .tcp_nodelay(true)
        .sq_entries(ENTRIES)
        .recv_buffer(RECEIVE_BUFFERS, READ_LEN as u32)
        .send_pool(SENDS, READ_LEN as u32)
        .tick_timeout_us(0)
        .no_fs()
        .resolver_threads(0)
        .spawner_threads(0)
        .blocking_threads(0)
        .build()
        .map_err(other)?;
    let (shutdown, workers) = RinglineBuilder::new(config).bind(order.listen).launch::<Echo>().map_err(other)?;
    let address = shutdown.bound_addr().ok_or_else(|| io::Error::other("no address"))?;
    peers::print_ready(address);
    workers
        .into_iter()
        .try_for_each(|worker| worker.join().map_err(|_| io::Error::other("a worker panicked"))?.map_err(other))
}
