//! `peer-may_minihttp`: HTTP/1.1 by may_minihttp, a coroutine for each connection, a pinned worker for each CPU.

use std::io;
use std::process::ExitCode;

use may_minihttp::{HttpService, HttpServiceFactory, Request, Response};
use mimalloc::MiMalloc;
use peers::{About, Order};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const ABOUT: About = About {
    library: "may_minihttp",
    version: env!("MAY_MINIHTTP_VERSION"),
    workload: "http",
    configuration: "workers pinned by may, coroutine stacks of 4096 words and 1000 of them kept, without work \
                    stealing, I/O timeouts and cancellation (may's default features off), mimalloc; it listens by \
                    itself, with a backlog of 1024 and without TCP_NODELAY; writes Date and Server headers",
};

/// In machine words, as the library's own benchmark has it.
const STACK_WORDS: usize = 0x1000;
/// Stacks that are kept for the next coroutine.
const STACKS_KEPT: usize = 1000;

/// One connection's service: it keeps nothing.
struct Hello;

impl HttpService for Hello {
    fn call(&mut self, _request: Request<'_, '_, '_>, response: &mut Response<'_>) -> io::Result<()> {
        response.header("Content-Type: text/plain").body(peers::BODY);
        Ok(())
    }
}

/// Makes the service of each connection.
struct Hellos;

impl HttpServiceFactory for Hellos {
    type Service = Hello;

    fn new_service(&self, _id: usize) -> Hello {
        Hello
    }
}

fn main() -> ExitCode {
    peers::run(&ABOUT, serve)
}

fn serve(order: &Order) -> io::Result<()> {
    may::config().set_workers(order.cpus.len()).set_pool_capacity(STACKS_KEPT).set_stack_size(STACK_WORDS);
    let (_held, address) = peers::reserve(order.listen)?;
    let server = Hellos.start(address)?;
    peers::print_ready(address);
    server.join().map_err(|_| io::Error::other("the accepting coroutine panicked"))
}
