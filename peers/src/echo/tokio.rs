//! `peer-tokio`: echo on tokio, one single-threaded runtime on each CPU.

use std::io;
use std::process::ExitCode;

use peers::{About, READ_LEN, Worker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

const ABOUT: About = About {
    library: "tokio",
    version: env!("TOKIO_VERSION"),
    workload: "echo",
    configuration: "a current-thread runtime and an SO_REUSEPORT listener per CPU, a task and a buffer of 4 KiB per \
                    connection, read and write_all",
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
            tokio::spawn(async move {
                // A peer that went away in the middle is the load generator's to report.
                let _ = echo(stream).await;
            });
        }
    })
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; READ_LEN];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            len => stream.write_all(&buffer[..len]).await?,
        }
    }
}
