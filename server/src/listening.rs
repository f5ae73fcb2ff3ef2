//! Every place where a server listens, and the sockets that listen there: bound here, or inherited. Gives each reactor
//! its share.
//!
//! A TCP address has one socket for each reactor in a SO_REUSEPORT group; a unix socket, which knows no such group, has
//! one for all. Inherited sockets are never joined by others: a reactor more than sockets shares one with another
//! reactor, and a socket more than reactors is served by one that has others, so that no queue is left behind.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::balance::Program;
use crate::endpoint::Endpoint;
use crate::inherited::Inherited;
use crate::listener::{self, SocketSizes};
use crate::options::Options;
use crate::unavailable::Unavailable;
use crate::unix_socket::SocketFile;

/// The places of one server, in the requested order.
pub(crate) struct Places {
    places: Vec<Place>,
    reactors: usize,
    /// The program of the reuseport groups.
    program: Option<Program>,
    /// Whether sockets stay here for a successor.
    keeps: bool,
}

/// One place.
#[derive(Debug)]
struct Place {
    endpoint: Endpoint,
    /// In the order in which they began to listen. Empty if each reactor's socket is its own business.
    sockets: Vec<Arc<OwnedFd>>,
    /// Whether each reactor adds a socket.
    grows: bool,
    /// Removed when the drain begins.
    file: Option<SocketFile>,
}

impl Places {
    /// Binds nothing but unix sockets; refuses addresses on which somebody listens.
    pub(crate) fn bind(options: &Options, program: Option<Program>) -> Result<Places, Unavailable> {
        if !options.share_port {
            for address in options.listen.iter().filter_map(Endpoint::tcp) {
                listener::ensure_free(address).map_err(Unavailable::address(address))?;
            }
        }
        let mut places = Vec::with_capacity(options.listen.len());
        for endpoint in &options.listen {
            let (mut sockets, mut file) = (vec![], None);
            if let Endpoint::Unix(path) = endpoint {
                let (created, socket) = SocketFile::create(path, is_nonblocking(options), &options.socket)?;
                file = Some(created);
                sockets.push(Arc::new(socket));
            }
            places.push(Place { endpoint: endpoint.clone(), grows: file.is_none(), sockets, file });
        }
        Ok(Places::of(places, options, program))
    }

    fn of(places: Vec<Place>, options: &Options, program: Option<Program>) -> Places {
        let reactors = options.reactors.max(1);
        Places { places, reactors, program, keeps: options.handover.is_some() }
    }

    /// What others bound. Their files are ours only when the predecessor has left them, and so are the sockets: until
    /// then nothing is done to them, because a predecessor that serves on would be left with it. What is to be
    /// done then (`renew`) is tried here on a socket that nobody else has, so that a kernel that refuses it refuses it now.
    pub(crate) fn inherit(
        inherited: Inherited,
        options: &Options,
        program: Option<Program>,
    ) -> Result<Places, Unavailable> {
        inherited.set_blocking(!is_nonblocking(options))?;
        let mut places = Vec::with_capacity(inherited.places.len());
        for place in inherited.places {
            if let Some(address) = place.endpoint.tcp() {
                check_direction(place.sockets.len(), options, program.as_ref())?;
                rehearse(address, options, program.as_ref())?;
            }
            let sockets = place.sockets.into_iter().map(Arc::new).collect();
            places.push(Place { endpoint: place.endpoint, sockets, grows: false, file: None });
        }
        Ok(Places::of(places, options, program))
    }

    /// Makes inherited sockets as if they had been bound here. They are this server's own by now.
    pub(crate) fn renew(&self, options: &Options) -> Result<(), Unavailable> {
        for place in self.places.iter().filter(|place| place.endpoint.tcp().is_some()) {
            for socket in &place.sockets {
                listener::renew(socket, options).map_err(Unavailable::kernel("setsockopt(2) of a listener"))?;
            }
            if let Some(first) = place.sockets.first() {
                self.direct(first)?;
            }
        }
        Ok(())
    }

    /// Has the group of `socket` choose as requested, whatever chose before.
    fn direct(&self, socket: &OwnedFd) -> Result<(), Unavailable> {
        if let Some(program) = &self.program {
            return program.attach(socket);
        }
        // Before Linux 5.3 nothing can be taken away; then the predecessor's choice stays.
        let _ = sys::bpf::detach(socket);
        Ok(())
    }

    /// What the kernel gives the first socket.
    pub(crate) fn sizes(&self) -> io::Result<SocketSizes> {
        let first = self.places.iter().find_map(|place| place.sockets.first());
        first.map_or(Ok(SocketSizes::default()), listener::sizes)
    }

    /// The sockets of the reactor of this index. The kernel numbers a group's listeners in order of arrival, and the
    /// group's program relies on it: reactors must come here in their order.
    pub(crate) fn share(&mut self, index: usize, options: &Options) -> Result<Vec<Arc<OwnedFd>>, Unavailable> {
        let mut share = Vec::with_capacity(self.places.len());
        // The first reactor attaches it before it listens; the others join its group.
        let program = self.program.as_ref().filter(|_| index == 0);
        for place in &mut self.places {
            let Some(address) = place.endpoint.tcp().filter(|_| place.grows) else {
                let of_others = place.sockets.len() > self.reactors;
                let own = place.sockets.iter().skip(index).step_by(self.reactors).filter(|_| of_others);
                let shared = place.sockets.get(index % place.sockets.len()).filter(|_| !of_others);
                share.extend(own.chain(shared).cloned());
                continue;
            };
            let socket =
                listener::bind(address, is_nonblocking(options), options).map_err(Unavailable::address(address))?;
            // Each address has its own group, and each group its own program.
            if let Some(program) = program {
                program.attach(&socket)?;
            }
            let socket = listener::listen(socket, &options.socket).map_err(Unavailable::address(address))?;
            // The first fixes the port.
            place.endpoint = listener::address(&socket).map_err(Unavailable::kernel("getsockname(2)"))?.into();
            let socket = Arc::new(socket);
            if self.keeps {
                place.sockets.push(socket.clone());
            }
            share.push(socket);
        }
        Ok(share)
    }

    /// All of a place's sockets belong to reactors now. Those kept for a successor stay.
    pub(crate) fn settle(&mut self) {
        if !self.keeps {
            self.places.iter_mut().for_each(|place| place.sockets.clear());
        }
    }

    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        self.places.iter().map(|place| place.endpoint.clone()).collect()
    }

    /// What a successor gets, in the order of the places.
    pub(crate) fn kept(&self) -> Vec<(Endpoint, Vec<Arc<OwnedFd>>)> {
        self.places.iter().map(|place| (place.endpoint.clone(), place.sockets.clone())).collect()
    }

    /// Takes over the files of unix sockets from a predecessor.
    pub(crate) fn own_files(&mut self) {
        for place in &mut self.places {
            if let Endpoint::Unix(path) = &place.endpoint {
                // If it is gone, nobody can connect, and there is nothing to remove.
                place.file = SocketFile::at(path).ok();
            }
        }
    }

    /// Lets go of everything here: from now on only reactors hold sockets. Nobody connects to a unix socket any more.
    pub(crate) fn close(&mut self) {
        self.places.clear();
    }

    /// The same, and files stay for a successor.
    pub(crate) fn leave(&mut self) {
        self.places.drain(..).filter_map(|place| place.file).for_each(SocketFile::leave);
    }
}

/// Most sockets that one reactor gets when `count` of a place are dealt to `reactors`.
pub(crate) fn share_max(count: usize, reactors: usize) -> usize {
    count.div_ceil(reactors).max(1)
}

/// Whether a listener must be non-blocking: yes for readiness; no for completions, where O_NONBLOCK turns a wait into a
/// spurious EAGAIN.
fn is_nonblocking(options: &Options) -> bool {
    !options.variant.is_uring()
}

/// The index that a program returns is the reactor's number only if each reactor has one of the `sockets`.
fn check_direction(sockets: usize, options: &Options, program: Option<&Program>) -> Result<(), Unavailable> {
    let reactors = options.reactors.max(1);
    if program.is_none() || sockets == reactors {
        return Ok(());
    }
    Err(Unavailable::Balance {
        balance: options.balance,
        cause: format!("{sockets} sockets were inherited for each address, and there are {reactors} reactors"),
        fix: format!("use --reactors {sockets}"),
    })
}

/// Does to a socket of its own what `renew` does to inherited ones.
fn rehearse(address: SocketAddr, options: &Options, program: Option<&Program>) -> Result<(), Unavailable> {
    let socket = listener::unbound(address, options).map_err(Unavailable::address(address))?;
    program.map_or(Ok(()), |program| program.attach(&socket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inherited::{InheritedPlace, Origin};
    use crate::options::Balance;
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    /// Which of `count` inherited sockets each of `reactors` gets.
    fn dealt(count: usize, reactors: usize) -> Vec<Vec<u16>> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let sockets: Vec<OwnedFd> = (0..count).map(|_| TcpListener::bind(any).expect("a port").into()).collect();
        let port = |socket: &dyn AsFd| listener::address(&socket.as_fd()).expect("bound").port();
        let ports: Vec<u16> = sockets.iter().map(|socket| port(socket)).collect();
        let endpoint = Endpoint::Tcp(any);
        let inherited = Inherited { places: vec![InheritedPlace { endpoint, sockets }], origin: Origin::Environment };
        let mut options = Options::new(protocol::Workload::Echo);
        options.reactors = reactors;
        let mut places = Places::inherit(inherited, &options, None).expect("sockets");
        let share = |index| places.share(index, &options).expect("nothing is opened");
        let shares: Vec<Vec<Arc<OwnedFd>>> = (0..reactors).map(share).collect();
        let number = |socket: &Arc<OwnedFd>| ports.iter().position(|it| *it == port(&**socket)).expect("ours") as u16;
        shares.iter().map(|share| share.iter().map(number).collect()).collect()
    }

    /// A successor with another balance must not be left with its predecessor's program.
    #[test]
    fn a_program_can_be_taken_away() {
        let mut options = Options::new(protocol::Workload::Echo);
        (options.reactors, options.balance) = (2, Balance::Cpu);
        let program = Program::new(Balance::Cpu, &[0, 0]).expect("short enough");
        let mut places = Places::bind(&options, program).expect("a free port");
        let shares = [0, 1].map(|index| places.share(index, &options).expect("a port"));
        let first = shares[0][0].as_fd();
        assert!(sys::bpf::detach(&first).expect("Linux 5.3"));
        assert!(!sys::bpf::detach(&first).expect("Linux 5.3"), "it is gone");
    }

    /// Of sockets that a predecessor still has, nothing is changed before `renew`; and if that fails, which says why,
    /// the sockets are there and work.
    #[test]
    fn nothing_is_done_to_a_predecessors_sockets_before_they_are_ours() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = TcpListener::bind(any).expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let before = listener::sizes(&listener).expect("a socket");
        let ours = OwnedFd::from(listener.try_clone().expect("a descriptor"));
        let place = InheritedPlace { endpoint: Endpoint::Tcp(any), sockets: vec![ours] };
        let inherited = Inherited { places: vec![place], origin: Origin::Predecessor };
        let mut options = Options::new(protocol::Workload::Echo);
        (options.reactors, options.balance) = (1, Balance::Cpu);
        options.socket.receive_buffer = Some(20_000);
        let program = Program::new(Balance::Cpu, &[0]).expect("short enough");
        let places = Places::inherit(inherited, &options, program).expect("a socket");
        assert_eq!(places.sizes().expect("a socket"), before);
        // It is of no reuseport group, so it takes no program.
        let refused = places.renew(&options).expect_err("no group").to_string();
        assert!(refused.contains("--balance cpu is unavailable"), "{refused}");
        assert_eq!(places.sizes().expect("a socket").receive_buffer, 40_000);
        std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
    }

    #[test]
    fn every_inherited_socket_has_a_reactor_and_every_reactor_a_socket() {
        assert_eq!(dealt(2, 2), [[0], [1]]);
        assert_eq!(dealt(1, 3), [[0], [0], [0]]);
        assert_eq!(dealt(2, 3), [[0], [1], [0]]);
        assert_eq!(dealt(5, 2), [vec![0, 2, 4], vec![1, 3]]);
        for (count, reactors) in [(2, 2), (1, 3), (2, 3), (5, 2)] {
            let most = dealt(count, reactors).iter().map(Vec::len).max();
            assert_eq!(most, Some(share_max(count, reactors)), "{count} for {reactors}");
        }
    }
}
