//! How many connections wait for accept(2): the accept queues of a network namespace's TCP listeners.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Listeners come first (`tcp_seek_last_pos` in net/ipv4/tcp_ipv4.c), so one page has the first 25 of them, however many
/// connections follow.
const LEN: usize = 4096;
/// State of a listener (`include/net/tcp_states.h`, TCP_LISTEN).
const LISTEN: &str = "0A";

/// The queues of the network namespace in which it was opened. The file stays open: whoever reads it may be elsewhere.
#[derive(Debug)]
pub struct AcceptQueues(File);

impl AcceptQueues {
    /// Those of the calling thread's network namespace, of IPv4.
    ///
    /// # Errors
    /// When /proc is not mounted.
    pub fn open() -> io::Result<AcceptQueues> {
        Ok(AcceptQueues(File::open("/proc/thread-self/net/tcp")?))
    }

    /// Connections in the longest of the queues now. `None` when nobody listens.
    pub fn longest(&self) -> Option<u32> {
        let mut page = [0; LEN];
        let len = self.0.read_at(&mut page, 0).ok()?;
        longest(std::str::from_utf8(&page[..len]).ok()?)
    }
}

fn longest(text: &str) -> Option<u32> {
    // A line that the page cut off has no more than its beginning.
    text.lines().filter_map(queued).max()
}

/// The receive queue of a listener is its accept queue (`get_tcp4_sock`).
fn queued(line: &str) -> Option<u32> {
    let mut columns = line.split_whitespace().skip(3);
    if columns.next()? != LISTEN {
        return None;
    }
    let (_, received) = columns.next()?.split_once(':')?;
    u32::from_str_radix(received.get(..8)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn lines_of_the_kernel() {
        let line =
            |state, queues| format!("   0: 0100007F:1F90 00000000:0000 {state} {queues} 00:00000000 00000000     0");
        let text = [line("0A", "00000000:00000002"), line("0A", "00000000:0000001F"), line("01", "00000000:000000FF")];
        assert_eq!(longest(&text.join("\n")), Some(31));
        assert_eq!(longest(&line("01", "00000000:000000FF")), None);
        assert_eq!(longest("  sl  local_address rem_address   st tx_queue rx_queue"), None);
        assert_eq!(longest(&format!("{}\n   1: 0100007F:1F90 00000000:0000 0A 000000", text[0])), Some(2), "cut off");
    }

    #[test]
    fn connections_that_wait_are_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let queues = AcceptQueues::open().unwrap();
        assert!(queues.longest().is_some());
        let address = listener.local_addr().unwrap();
        let waiting: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
        // Other tests listen, too: theirs may be longer.
        assert!(queues.longest().is_some_and(|count| count >= 100), "{:?}", queues.longest());
        drop(waiting);
    }
}
