//! Where the engine `tun` may work: everything that can be refused before the start.

use crate::LoadError;
use crate::plan::options::Options;
use crate::plan::target::Address;
use crate::plan::tun::{SERVER, WORKERS_MAX};
use host::Namespace;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use tcp::client::Block;

/// Whether an address belongs to this network namespace: only such addresses can be bound.
fn is_local(address: Ipv4Addr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// Refuses what cannot work.
pub(super) fn check(options: &Options, addresses: &[Address], namespace: Namespace) -> Result<(), LoadError> {
    let usage = |message: String| Err(LoadError::Usage(message));
    let target = match addresses {
        [Address::Tcp(target)] => *target,
        [unix @ Address::Unix(_)] => {
            return usage(format!(
                "--engine tun speaks TCP through a device, which does not lead to {unix}: use --engine epoll or io_uring"
            ));
        }
        several => {
            let addresses: Vec<String> = several.iter().map(Address::to_string).collect();
            return usage(format!(
                "--engine tun has one server behind its devices, and the target is {}: write one of them",
                addresses.join(" and ")
            ));
        }
    };
    if !options.sources.is_empty() {
        return usage("--source does not go with --engine tun, whose connections come from 198.18.1.0 on".into());
    }
    if options.threads > WORKERS_MAX {
        return usage(format!("--engine tun has addresses for {WORKERS_MAX} threads: use fewer --threads"));
    }
    if options.connections.div_ceil(options.threads) > Block::PEERS_MAX {
        return usage(format!("--engine tun carries {} connections per thread: use more --threads", Block::PEERS_MAX));
    }
    check_namespace(namespace, options)?;
    let address = match target.ip() {
        IpAddr::V4(address) if !address.is_loopback() => address,
        _ => {
            return usage(format!(
                "--engine tun reaches a server by IPv4 and through a device, not at {target}: let the server listen \
                 on 0.0.0.0 and load {SERVER}:{}",
                target.port()
            ));
        }
    };
    if address == SERVER || is_local(address) {
        return Ok(());
    }
    usage(format!(
        "--engine tun reaches servers of its own network namespace only, and {address} is none of its addresses: \
         let the server listen on 0.0.0.0 and load {SERVER}:{}",
        target.port()
    ))
}

fn check_namespace(namespace: Namespace, options: &Options) -> Result<(), LoadError> {
    const START: &str = "start server and load in a new one, as in `unshare --net sh -c 'c10m serve echo --listen \
                         0.0.0.0:7000 & c10m load tcp://198.18.0.1:7000 --engine tun'`";
    match namespace {
        Namespace::Own => Ok(()),
        Namespace::First => Err(LoadError::Refused(format!(
            "engine tun adds devices and routes, which is for a network namespace of its own, and this is the \
             host's: {START}"
        ))),
        // The user claims to own it; the other permission checks verify that it is the target's host.
        Namespace::Unknown if options.i_own.is_some() => Ok(()),
        Namespace::Unknown => Err(LoadError::Refused(format!(
            "engine tun adds devices and routes, and whether this is the host's network namespace cannot be told \
             (/proc/1/ns/net is unreadable): {START}, and say with --i-own 198.18.0.1 that you did"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options { threads: 2, connections: 1000, ..Options::default() }
    }

    #[test]
    fn only_where_it_can_and_may_work() {
        let server = [Address::Tcp((SERVER, 7).into())];
        check(&options(), &server, Namespace::Own).unwrap();
        check(&Options { i_own: Some("198.18.0.1".into()), ..options() }, &server, Namespace::Unknown).unwrap();
        let several = [server[0].clone(), Address::Tcp(([198, 18, 0, 2], 7).into())];
        for (addresses, part) in
            [(&several[..], "198.18.0.1:7 and 198.18.0.2:7"), (&[Address::Unix("/x".into())], "unix:/x")]
        {
            let error = check(&options(), addresses, Namespace::Own).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
        let peers_max = Block::PEERS_MAX;
        for (options, target, namespace, part) in [
            (options(), "198.18.0.1:7", Namespace::First, "unshare --net"),
            (Options { i_own: Some("x".into()), ..options() }, "198.18.0.1:7", Namespace::First, "unshare --net"),
            (options(), "198.18.0.1:7", Namespace::Unknown, "--i-own 198.18.0.1"),
            (options(), "127.0.0.1:7", Namespace::Own, "0.0.0.0 and load 198.18.0.1:7"),
            (options(), "[::1]:7", Namespace::Own, "0.0.0.0 and load 198.18.0.1:7"),
            (options(), "203.0.113.9:7", Namespace::Own, "none of its addresses"),
            (Options { sources: vec![SERVER.into()], ..options() }, "198.18.0.1:7", Namespace::Own, "--source"),
            (Options { threads: 512, connections: 512, ..options() }, "198.18.0.1:7", Namespace::Own, "511 threads"),
            (Options { connections: peers_max * 2 + 1, ..options() }, "198.18.0.1:7", Namespace::Own, "--threads"),
        ] {
            let error = check(&options, &[Address::Tcp(target.parse().unwrap())], namespace).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}
