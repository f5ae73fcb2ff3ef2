//! `peer-compio`: echo on compio's io_uring driver, one runtime on each CPU.

use std::io;
use std::process::ExitCode;

use compio::BufResult;
use compio::driver::ProactorBuilder;
use compio::io::{AsyncRead, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use compio::runtime::{RuntimeBuilder, spawn};
use peers::{About, READ_LEN, Worker};

const ABOUT: About = About {
    library: "compio",
    version: env!("COMPIO_VERSION"),
    workload: "echo",
    configuration: "the io_uring driver with 4096 entries, single_issuer and defer_taskrun, a runtime and an \
                    SO_REUSEPORT listener per CPU, a task and a buffer of 4 KiB per connection, read and write_all",
};

/// Entries of the submission queue.
const ENTRIES: u32 = 4096;

fn main() -> ExitCode {
    peers::run(&ABOUT, |order| peers::on_each_cpu(order, serve))
}

fn serve(worker: Worker) -> io::Result<()> {
    let mut proactor = ProactorBuilder::new();
    proactor.capacity(ENTRIES).single_issuer(true).defer_taskrun(true);
    let runtime = RuntimeBuilder::new().with_proactor(proactor).build()?;
    runtime.block_on(async move {
        worker.ready();
        let listener = TcpListener::from_std(worker.listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            spawn(async move {
                // A peer that went away in the middle is the load generator's to report.
                let _ = echo(stream).await;
            })
            .detach();
        }
    })
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(READ_LEN);
    loop {
        // The buffer goes to the kernel and comes back with the result.
        let BufResult(read, filled) = stream.read(buffer).await;
        if read? == 0 {
            return Ok(());
        }
        let BufResult(written, mut emptied) = stream.write_all(filled).await;
        written?;
        emptied.clear();
        buffer = emptied;
    }
}
