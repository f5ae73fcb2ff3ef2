//! `peer-actix-web`: HTTP/1.1 by actix-web, a worker for each CPU behind one accepting thread.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use actix_web::http::KeepAlive;
use actix_web::{App, HttpResponse, HttpServer, web};
use mimalloc::MiMalloc;
use peers::{About, Order};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const ABOUT: About = About {
    library: "actix-web",
    version: env!("ACTIX_WEB_VERSION"),
    workload: "http",
    configuration: "an App with one route and no middleware, a worker per CPU on the CPUs as a set, one accepting \
                    thread on the same CPUs, keep-alive left to the OS, no request timer, mimalloc; routes by path, \
                    parses every header into a map, writes a Date header",
};

fn main() -> ExitCode {
    peers::run(&ABOUT, serve)
}

fn serve(order: &Order) -> io::Result<()> {
    let listener = peers::listen(order.listen)?;
    let address = listener.local_addr()?;
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(|| App::new().route("/", web::get().to(answer)))
            .workers(order.cpus.len())
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(Duration::ZERO)
            .max_connections(usize::MAX)
            .max_connection_rate(usize::MAX)
            .disable_signals()
            .listen(listener)?
            .run();
        peers::print_ready(address);
        server.await
    })
}

async fn answer() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body(peers::BODY)
}
