//! `peer-glommio`: echo on glommio, one executor on each CPU.

use std::io;
use std::process::ExitCode;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::net::{TcpListener, TcpStream};
use glommio::{LocalExecutorBuilder, Placement};
use peers::{About, Order, READ_LEN};

const ABOUT: About = About {
    library: "glommio",
    version: env!("GLOMMIO_VERSION"),
    workload: "echo",
    configuration: "an executor with a fixed placement, rings of 4096 entries and an SO_REUSEPORT listener per CPU, \
                    its own backlog of 1024, a task and a buffer of 4 KiB per connection, read and write_all",
};

/// Entries of each of its rings.
const RING_ENTRIES: usize = 4096;

fn main() -> ExitCode {
    peers::run(&ABOUT, serve)
}

/// glommio takes no listener that is bound already: each executor binds the reserved port.
fn serve(order: &Order) -> io::Result<()> {
    let (_held, address) = peers::reserve(order.listen)?;
    let (listening, listens) = std::sync::mpsc::channel();
    let mut executors = Vec::new();
    for cpu in order.cpus.iter().copied() {
        let listening = listening.clone();
        let executor = LocalExecutorBuilder::new(Placement::Fixed(cpu))
            .ring_depth(RING_ENTRIES)
            .spawn(move || async move {
                let listener = TcpListener::bind(address)?;
                // Whoever waits for it is gone only when another executor failed, which ends the process.
                let _ = listening.send(());
                loop {
                    let stream = listener.accept().await?;
                    glommio::spawn_local(async move {
                        // A peer that went away in the middle is the load generator's to report.
                        let _ = echo(stream).await;
                    })
                    .detach();
                }
            })
            .map_err(|error| io::Error::other(format!("no executor on CPU {cpu} (see `ulimit -l`): {error}")))?;
        executors.push(executor);
    }
    drop(listening);
    if listens.iter().take(order.cpus.len()).count() == order.cpus.len() {
        peers::print_ready(address);
    }
    executors.into_iter().try_for_each(|executor| {
        let ended: Result<io::Result<()>, _> = executor.join();
        ended.map_err(|error| io::Error::other(error.to_string()))?
    })
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; READ_LEN];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            len => stream.write_all(&buffer[..len]).await?,
        }
    }
}
