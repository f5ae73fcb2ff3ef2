//! What this host allows a run, read just before it.

use crate::LoadError;
use crate::plan::HostLimits;
use crate::plan::options::Options;
use crate::plan::ports::PortRange;
use host::OpenFilesLimit;
use host::sysctl::{LOCAL_PORT_RANGE_DEFAULT, local_port_range};
use rustix::net::{AddressFamily, SocketType, socket};

/// Raises the soft descriptor limit to the hard one and reads what then holds.
///
/// # Errors
/// When the host cannot give the ports that are asked for.
pub(super) fn read(options: &Options) -> Result<HostLimits, LoadError> {
    // Failing leaves the soft limit, which is what is read back.
    let _ = sys::limits::raise_fd_limit();
    Ok(HostLimits {
        descriptors_max: OpenFilesLimit::of_this_process().soft.unwrap_or(u64::MAX),
        ports: port_count(local_port_range(), options.source_ports)?,
    })
}

/// Ports of a run: those asked for, or those of the host's range, which is the kernel's default where it is unreadable.
fn port_count(range: Option<[u64; 2]>, asked: Option<PortRange>) -> Result<u32, LoadError> {
    let [first, last] = range.unwrap_or(LOCAL_PORT_RANGE_DEFAULT);
    let Some(ports) = asked else { return Ok((last - first + 1) as u32) };
    // The kernel would ignore what lies outside, and connect from anywhere.
    if !(first..=last).contains(&ports.first.into()) || !(first..=last).contains(&ports.last.into()) {
        return Err(LoadError::Refused(format!(
            "--source-ports {}-{} is not within the ports of this host, {first} to {last}: choose some of these, or set \
             net.ipv4.ip_local_port_range",
            ports.first, ports.last
        )));
    }
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None);
    let bounded = socket.and_then(|socket| sys::socket::bound_ports(&socket, ports.first, ports.last));
    bounded.map_err(|errno| LoadError::Refused(format!("--source-ports needs Linux 6.3 ({errno}): leave it out")))?;
    Ok(ports.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_range_count() {
        for (range, expected) in [(Some([1024, 65_535]), 64_512), (Some([5, 5]), 1), (None, 28_232)] {
            assert_eq!(port_count(range, None).unwrap(), expected, "{range:?}");
        }
    }

    /// The kernel would take no notice, and nobody would learn of it.
    #[test]
    fn ports_that_the_host_does_not_give_are_refused() {
        let asked = |text: &str| port_count(Some([20_000, 20_499]), Some(text.parse().unwrap()));
        assert_eq!(asked("20000-20499").unwrap(), 500);
        assert_eq!(asked("20100-20100").unwrap(), 1);
        for outside in ["19999-20100", "20400-20500", "1-2"] {
            let said = asked(outside).unwrap_err().to_string();
            assert!(said.contains(outside) && said.contains("20000 to 20499"), "{said}");
        }
    }
}
