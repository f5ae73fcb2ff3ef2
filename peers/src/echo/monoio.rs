//! `peer-monoio`: echo on monoio's io_uring driver, one runtime on each CPU.

use std::io;
use std::process::ExitCode;

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::{IoUringDriver, RuntimeBuilder};
use peers::{About, READ_LEN, Worker};

const ABOUT: About = About {
    library: "monoio",
    version: env!("MONOIO_VERSION"),
    workload: "echo",
    configuration: "the io_uring driver with 4096 entries and its default set-up flags (none), a runtime and an \
                    SO_REUSEPORT listener per CPU, a task and a buffer of 4 KiB per connection, read and write_all",
};

/// Entries of the submission queue.
const ENTRIES: u32 = 4096;

fn main() -> ExitCode {
    peers::run(&ABOUT, |order| peers::on_each_cpu(order, serve))
}

fn serve(worker: Worker) -> io::Result<()> {
    let mut runtime = RuntimeBuilder::<IoUringDriver>::new().with_entries(ENTRIES).build()?;
    runtime.block_on(async move {
        worker.ready();
        let listener = TcpListener::from_std(worker.listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            monoio::spawn(async move {
                // A peer that went away in the middle is the load generator's to report.
                let _ = echo(stream).await;
            });
        }
    })
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(READ_LEN);
    loop {
        // The buffer goes to the kernel and comes back with the result.
        let (read, filled) = stream.read(buffer).await;
        if read? == 0 {
            return Ok(());
        }
        let (written, mut emptied) = stream.write_all(filled).await;
        written?;
        emptied.clear();
        buffer = emptied;
    }
}
