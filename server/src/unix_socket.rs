//! The file of a unix socket: created if nobody serves there, removed when the drain begins.
//!
//! SO_REUSEPORT does not exist for unix sockets, so all reactors share one listening socket. A connection wakes all of
//! them and the first takes it; the others find the queue empty. EPOLLEXCLUSIVE would wake fewer, but such a watch
//! cannot be modified (epoll_ctl(2)), and a pause of accept modifies it.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::listener;
use crate::options::SocketOptions;
use crate::unavailable::Unavailable;

/// The longest path: `sun_path` has 108 bytes, and the last one is a NUL (unix(7)).
pub const UNIX_PATH_LEN_MAX: usize = 107;

/// A socket file of ours. Dropping this removes the file, unless somebody has put another in its place.
///
/// The file is the only way to connect, so removing it is how a drain keeps new connections out, and a successor may
/// use the path at once. shutdown(2) would refuse them too, but it leaves the listener readable for good
/// (`unix_poll`), and every loop would spin until it is closed. Connections already in the accept queue are served
/// either way.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// Binds and listens. A file that a dead server left behind is replaced.
    pub(crate) fn create(
        path: &Path,
        nonblocking: bool,
        options: &SocketOptions,
    ) -> Result<(SocketFile, OwnedFd), Unavailable> {
        let refusal = |cause: String, fix: String| Unavailable::UnixSocket { path: path.to_owned(), cause, fix };
        match make_room(path, Type::STREAM) {
            Ok(Room::Made) => {}
            Ok(Room::Taken(_)) => {
                let (cause, fix) = live(path);
                return Err(refusal(cause, fix));
            }
            Err((cause, fix)) => return Err(refusal(cause, fix)),
        }
        let fix = || "choose a path in a directory that exists and that this user may write to".to_owned();
        let open = || -> io::Result<(SocketFile, OwnedFd)> {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            listener::set_sizes(&socket, options)?;
            socket.set_nonblocking(nonblocking)?;
            socket.bind(&SockAddr::unix(path)?)?;
            let file = SocketFile::at(path)?;
            socket.listen(options.backlog_for_listen())?;
            Ok((file, socket.into()))
        };
        open().map_err(|error| refusal(error.to_string(), fix()))
    }

    /// The file that is there, as ours from here on: just bound, or left to us by a predecessor.
    pub(crate) fn at(path: &Path) -> io::Result<SocketFile> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(SocketFile { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() })
    }

    /// Leaves the file to a successor, who listens on the same socket.
    pub(crate) fn leave(mut self) {
        // No file has this number, so what is there is not ours.
        self.inode = 0;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |metadata: fs::Metadata| (metadata.dev(), metadata.ino()) == (self.device, self.inode);
        if fs::symlink_metadata(&self.path).is_ok_and(ours) {
            // If it cannot be removed, the next start finds that nobody listens on it and replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What there is at a path.
#[derive(Debug)]
pub(crate) enum Room {
    /// Nothing, or nothing any more.
    Made,
    /// Somebody listens. What is connected to them, unless their accept queue is full.
    Taken(Option<OwnedFd>),
}

/// Removes a socket file on which nobody listens. Cause and fix where something else is in the way.
pub(crate) fn make_room(path: &Path, kind: Type) -> Result<Room, (String, String)> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Room::Made),
        Err(error) => return Err((error.to_string(), "choose a path that this user may look at".into())),
    };
    if !metadata.file_type().is_socket() {
        return Err(("there is a file that is no socket".into(), "move it away, or choose another path".into()));
    }
    match knock(path, kind) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map(|()| Room::Made).map_err(|error| {
                (format!("a dead server left its socket there, and it cannot be removed: {error}"), "remove it".into())
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Room::Made),
        Ok(connected) => Ok(Room::Taken(Some(connected))),
        // EAGAIN: the accept queue of a living server is full.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Room::Taken(None)),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::PROTOTYPE) => {
            Err(("there is a socket of another type".into(), "choose another path".into()))
        }
        Err(error) => Err((
            format!("there is a socket, and whether somebody listens on it cannot be asked: {error}"),
            "choose another path, or remove it if nobody does".into(),
        )),
    }
}

fn live(path: &Path) -> (String, String) {
    let fix = format!("find its owner with `ss -lxp src {}`, or choose another path", path.display());
    ("somebody listens there".into(), fix)
}

fn knock(path: &Path, kind: Type) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::UNIX, kind, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    /// A directory of its own, removed at the end.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Place {
            let path = std::env::temp_dir().join(format!("c10m-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Place(path)
        }

        fn socket(&self) -> PathBuf {
            self.0.join("socket")
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn create(path: &Path) -> Result<(SocketFile, OwnedFd), Unavailable> {
        SocketFile::create(path, true, &SocketOptions::default())
    }

    fn refusal(path: &Path) -> String {
        create(path).err().unwrap().to_string()
    }

    #[test]
    fn a_dead_servers_file_is_replaced_and_ours_goes_with_us() {
        let place = Place::new("stale");
        let path = place.socket();
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "the standard library leaves it behind");
        let (file, listener) = create(&path).unwrap();
        let mut queued = UnixStream::connect(&path).unwrap();
        drop(file);
        assert!(!path.exists());
        assert_eq!(UnixStream::connect(&path).unwrap_err().kind(), io::ErrorKind::NotFound, "no newcomers");
        let listener = UnixListener::from(listener);
        listener.accept().unwrap().0.write_all(b"a").unwrap();
        queued.read_exact(&mut [0]).expect("what was queued is served");
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn what_is_alive_or_no_socket_of_ours_is_left_alone() {
        let place = Place::new("live");
        let path = place.socket();
        fs::write(&path, "precious").unwrap();
        assert!(refusal(&path).contains("no socket"), "{}", refusal(&path));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();

        let datagrams = UnixDatagram::bind(&path).unwrap();
        assert!(refusal(&path).contains("another type"), "{}", refusal(&path));
        drop(datagrams);
        fs::remove_file(&path).unwrap();

        let alive = UnixListener::bind(&path).unwrap();
        assert!(
            refusal(&path).contains("somebody listens") && refusal(&path).contains("ss -lxp"),
            "{}",
            refusal(&path)
        );
        assert!(alive.accept().is_ok(), "it was asked, and it still listens");
    }

    #[test]
    fn a_full_accept_queue_is_a_sign_of_life() {
        let place = Place::new("full");
        let path = place.socket();
        let (_file, _listener) =
            SocketFile::create(&path, true, &SocketOptions { backlog: 1, ..SocketOptions::default() }).unwrap();
        while knock(&path, Type::STREAM).is_ok() {}
        assert_eq!(knock(&path, Type::STREAM).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(refusal(&path).contains("somebody listens"));
    }

    #[test]
    fn a_file_that_took_our_place_stays() {
        let place = Place::new("successor");
        let path = place.socket();
        let (file, _listener) = create(&path).unwrap();
        fs::rename(&path, place.0.join("moved")).unwrap();
        let successor = UnixListener::bind(&path).unwrap();
        drop(file);
        assert!(UnixStream::connect(&path).is_ok(), "the successor's file is still there");
        drop(successor);
    }

    #[test]
    fn no_directory_is_named_with_its_cause() {
        let refusal = refusal(Path::new("/nonexistent/socket"));
        assert!(refusal.contains("unix:/nonexistent/socket") && refusal.contains("directory"), "{refusal}");
    }
}
