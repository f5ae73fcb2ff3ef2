//! Lines to stdout and stderr that nobody may read. A separate thread writes each stream, so that a full pipe never
//! delays a signal. At the end, `finish` tells whether the last line arrived.

use std::fs::File;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, TrySendError, after, bounded, never, select};
use results::visible::visible;

/// Lines that may wait for a reader. Further ones are dropped and counted.
const LINES_MAX: usize = 256;
/// How long the program waits for a reader when it ends.
const LAST_LINE_WAIT: Duration = Duration::from_secs(5);
/// The same after a second signal. Long enough for a reader that is reading.
const HURRIED_WAIT: Duration = Duration::from_millis(300);

/// An order to the thread of a stream.
pub(crate) enum Order {
    /// Write this line.
    Line(String),
    /// There are no more lines.
    End,
}

/// One of the two streams.
pub(crate) struct Stream {
    lines: Sender<Order>,
    /// Sent once, when every line was written or writing failed.
    ended: Receiver<io::Result<()>>,
    lost: u64,
}

impl Stream {
    /// The stream of stdout. Its first failure is reported to `complaints`.
    pub(crate) fn stdout(complaints: Option<Sender<Order>>) -> io::Result<Stream> {
        Stream::new("stdout", io::stdout(), complaints, || leave(rustix::stdio::dup2_stdout))
    }

    /// The stream of stderr.
    pub(crate) fn stderr() -> io::Result<Stream> {
        Stream::new("stderr", io::stderr(), None, || leave(rustix::stdio::dup2_stderr))
    }

    /// Starts a thread that writes to `sink`. It passes the first failure to `complain` and discards all later lines.
    /// `leave` then closes the broken stream, so that a process at the other end of a pipe sees the end instead of
    /// waiting for a line.
    fn new(
        name: &str,
        mut sink: impl Write + Send + 'static,
        complain: Option<Sender<Order>>,
        leave: impl Fn() + Send + 'static,
    ) -> io::Result<Stream> {
        let (lines, received) = bounded(LINES_MAX);
        let (end, ended) = bounded(1);
        let mut name_of_stream = Some(name.to_owned());
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            let mut result = Ok(());
            for order in received {
                let Order::Line(line) = order else { break };
                if result.is_err() {
                    continue;
                }
                // One write, so that no reader gets half a line.
                result = sink.write_all(format!("{}\n", visible(&line)).as_bytes()).and_then(|()| sink.flush());
                if result.is_err() {
                    leave();
                }
                if let (Err(error), Some(complain), Some(name)) = (&result, &complain, name_of_stream.take()) {
                    // If stderr has no room for this line, it is dropped.
                    let line = format!("c10m: cannot write to {name}: {error}; the server continues");
                    let _ = complain.try_send(Order::Line(line));
                }
            }
            // Nobody receives it if the wait was too long.
            let _ = end.send(result);
        })?;
        Ok(Stream { lines, ended, lost: 0 })
    }

    /// The sender for complaints of another stream.
    pub(crate) fn sender(&self) -> Sender<Order> {
        self.lines.clone()
    }

    /// Number of lines dropped so far.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// Queues a line, or drops it and counts it, because a slow reader must not slow the server down.
    pub(crate) fn offer(&mut self, line: String) {
        match self.lines.try_send(Order::Line(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.lost += 1,
        }
    }

    /// Waits until everything is written, but at most [`LAST_LINE_WAIT`], or [`HURRIED_WAIT`] after the next message
    /// of `hurry`.
    ///
    /// # Errors
    /// Why the last line did not arrive.
    pub(crate) fn finish<T>(self, last: Vec<String>, hurry: &Receiver<T>) -> Result<(), String> {
        let (blocked, _nobody) = bounded(0);
        let (mut hurry, mut deadline) = (hurry.clone(), after(LAST_LINE_WAIT));
        let mut orders = last.into_iter().map(Order::Line).chain([Order::End]);
        let mut order = orders.next();
        loop {
            let lines = if order.is_some() { &self.lines } else { &blocked };
            select! {
                // Builds the message when there is room for it, not before.
                send(lines, order.take().unwrap_or(Order::End)) -> _ => order = orders.next(),
                recv(self.ended) -> result => return match result {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err("its thread is gone".to_owned()),
                },
                recv(hurry) -> ordered => {
                    if ordered.is_ok() {
                        deadline = after(HURRIED_WAIT);
                    }
                    hurry = never();
                },
                recv(deadline) -> _ => return Err("nobody reads it".to_owned()),
            }
        }
    }
}

/// Replaces a standard stream by /dev/null.
fn leave(replace: fn(File) -> rustix::io::Result<()>) {
    if let Ok(nothing) = File::options().write(true).open("/dev/null") {
        // If this fails, the reader waits until the program ends, as without it.
        let _ = replace(nothing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam::channel::unbounded;
    use std::io::{BufRead, BufReader, PipeReader};

    /// A pipe that nobody reads. It is full before the first line.
    fn full_pipe() -> (PipeReader, io::PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        while (&writer).write(&[b'x'; 4096]).is_ok() {}
        while (&writer).write(b"x").is_ok() {}
        rustix::io::ioctl_fionbio(&writer, false).unwrap();
        (reader, writer)
    }

    #[test]
    fn lines_arrive_in_order_and_the_end_waits_for_the_last() {
        let (reader, writer) = io::pipe().unwrap();
        let mut stream = Stream::new("test", writer, None, || {}).unwrap();
        (0..100).for_each(|line| stream.offer(line.to_string()));
        assert_eq!(stream.finish(vec!["last".into()], &never::<()>()), Ok(()));
        let found: Vec<String> = BufReader::new(reader).lines().map(Result::unwrap).collect();
        assert_eq!((found.len(), found[99].as_str(), found[100].as_str()), (101, "99", "last"));
    }

    #[test]
    fn a_reader_that_does_not_read_holds_up_nothing_and_what_is_lost_is_counted() {
        let (reader, writer) = full_pipe();
        let mut stream = Stream::new("test", writer, None, || {}).unwrap();
        (0..1000).for_each(|line| stream.offer(line.to_string()));
        assert!(stream.lost() >= 1000 - LINES_MAX as u64 - 1, "{}", stream.lost());
        let (hurry, orders) = unbounded();
        hurry.send(()).unwrap();
        assert_eq!(stream.finish(vec!["last".into()], &orders), Err("nobody reads it".into()));
        drop(reader);
    }

    /// A second signal may come while the last line is being written.
    #[test]
    fn a_hurry_does_not_lose_a_line_that_is_read() {
        for _ in 0..50 {
            let (_reader, writer) = io::pipe().unwrap();
            let stream = Stream::new("test", writer, None, || {}).unwrap();
            let (hurry, orders) = unbounded();
            hurry.send(()).unwrap();
            assert_eq!(stream.finish(vec!["last".into()], &orders), Ok(()));
        }
    }

    #[test]
    fn a_failure_is_told_at_once_and_at_the_end() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let (complaints, complained) = unbounded();
        let mut stream = Stream::new("stdout", full, Some(complaints), || {}).unwrap();
        stream.offer("ready".into());
        let Order::Line(complaint) = complained.recv().unwrap() else { panic!("no line") };
        assert!(complaint.contains("cannot write to stdout") && complaint.contains("No space left"), "{complaint}");
        assert!(stream.finish(vec!["last".into()], &never::<()>()).unwrap_err().contains("No space left"));
        assert!(complained.recv().is_err(), "it complains once");
    }
}
