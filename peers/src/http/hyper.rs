//! `peer-hyper`: HTTP/1.1 by hyper, one single-threaded tokio runtime on each CPU.

use std::convert::Infallible;
use std::io;
use std::process::ExitCode;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use mimalloc::MiMalloc;
use peers::{About, Worker};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const ABOUT: About = About {
    library: "hyper",
    version: env!("HYPER_VERSION"),
    workload: "http",
    configuration: "http1 connections with pipeline_flush, a current-thread tokio runtime and an SO_REUSEPORT \
                    listener per CPU, mimalloc; parses every header into a map, writes a Date header",
};

fn main() -> ExitCode {
    peers::run(&ABOUT, |order| peers::on_each_cpu(order, serve))
}

fn serve(worker: Worker) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async move {
        worker.ready();
        let listener = TcpListener::from_std(worker.listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            let connection =
                http1::Builder::new().pipeline_flush(true).serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::spawn(async move {
                // A peer that went away in the middle is the load generator's to report.
                let _ = connection.await;
            });
        }
    })
}

async fn answer(_request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(peers::BODY.as_bytes())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}
