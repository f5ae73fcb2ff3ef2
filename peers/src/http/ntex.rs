//! `peer-ntex`: HTTP/1.1 by ntex on its own io_uring runtime, a pinned worker for each CPU behind one
//! accepting thread.

use std::io;
use std::process::ExitCode;

use mimalloc::MiMalloc;
use ntex::SharedCfg;
use ntex::http::header::{CONTENT_TYPE, HeaderValue};
use ntex::http::{HttpService, HttpServiceConfig, KeepAlive, Response};
use ntex::time::Seconds;
use ntex::util::Ready;
use peers::{About, Order};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const ABOUT: About = About {
    library: "ntex",
    version: env!("NTEX_VERSION"),
    workload: "http",
    configuration: "feature neon-uring, the HTTP/1 service without a router, a worker per CPU with enable_affinity, \
                    one accepting thread on the same CPUs, keep-alive left to the OS, no request timer, mimalloc; \
                    parses every header into a map, writes a Date header",
};

fn main() -> ExitCode {
    peers::run(&ABOUT, serve)
}

fn serve(order: &Order) -> io::Result<()> {
    let listener = peers::listen(order.listen)?;
    let address = listener.local_addr()?;
    let workers = order.cpus.len();
    ntex::rt::System::new("peer", ntex::rt::DefaultRuntime).block_on(async move {
        let configuration = HttpServiceConfig::new().set_keepalive(KeepAlive::Os).set_client_timeout(Seconds::ZERO);
        let server = ntex::server::build()
            .workers(workers)
            .enable_affinity()
            .disable_signals()
            .listen("peer", listener, async |_| {
                HttpService::h1(|_request| {
                    let mut response = Response::Ok();
                    response.header(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
                    Ready::Ok::<_, io::Error>(response.body(peers::BODY))
                })
            })?
            .config("peer", SharedCfg::new("peer").add(configuration))
            .run();
        peers::print_ready(address);
        server.await
    })
}
