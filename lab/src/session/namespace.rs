//! A network namespace for one step or one run. The thread that works in it creates it. It disappears, with every
//! TIME-WAIT in it, when that thread and the processes it started have ended. Nothing on the host changes.

use std::io::ErrorKind;
use std::thread;

use anyhow::anyhow;
use host::sysctl;

/// Size of the table of established connections in network namespaces created from now on (Linux 6.1,
/// Documentation/networking/ip-sysctl.rst). The setting belongs to the calling thread's namespace.
const CHILD_EHASH: &str = "net.ipv4.tcp_child_ehash_entries";
/// The largest number that the kernel accepts.
const EHASH_ENTRIES_MAX: u64 = 1 << 24;

/// Does `work` in a new namespace whose table has a bucket for each of `sockets`. Passes `work` the number of buckets,
/// or `None` when the kernel is too old to set it.
///
/// # Errors
/// Without CAP_SYS_ADMIN, and the errors of `work`.
pub(crate) fn inside<T: Send>(
    sockets: u64,
    work: impl FnOnce(Option<u64>) -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    let worker = move || {
        enter()?;
        // The first namespace is ours alone, so it is safe to set there how large the second one's table will be.
        let entries = sockets.next_power_of_two().min(EHASH_ENTRIES_MAX);
        let is_set = sysctl::write(CHILD_EHASH, &entries.to_string()).is_ok();
        enter()?;
        work(is_set.then_some(entries))
    };
    thread::scope(|scope| {
        let handle = thread::Builder::new().name("namespace".to_owned()).spawn_scoped(scope, worker)?;
        handle.join().unwrap_or_else(|_| Err(anyhow!("the thread of the namespace panicked")))
    })
}

/// Tries whether [`inside`] can create its namespaces here. They are gone when this returns.
///
/// # Errors
/// What is missing, and the command that mends it.
pub(crate) fn check() -> anyhow::Result<()> {
    inside(1, |_| Ok(()))
}

fn enter() -> anyhow::Result<()> {
    sys::namespace::enter_new().map_err(|error| {
        let mends = match error.kind() {
            ErrorKind::PermissionDenied => {
                ", which needs CAP_SYS_ADMIN: run as root, or in namespaces of your own with `unshare --user \
                 --map-root-user --net`; in a container the runtime has to grant the capability, and its seccomp \
                 profile unshare(2)"
            }
            // ENOSPC of unshare(2).
            ErrorKind::StorageFull => {
                ": this user has as many as user.max_net_namespaces allows; raise it with `sysctl -w \
                 user.max_net_namespaces=1000`"
            }
            _ => "",
        };
        anyhow!("cannot make a network namespace ({error}){mends}")
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_step_has_sockets_and_a_table_of_its_own() {
        let outside = fs::read_link("/proc/thread-self/ns/net").unwrap();
        let seen = inside(1000, |entries| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
            let in_use = host::kernel::sockets().and_then(|sockets| sockets.tcp_inuse);
            drop(listener);
            let table = fs::read_to_string("/proc/sys/net/ipv4/tcp_ehash_entries")?;
            Ok((entries, table.trim().to_owned(), in_use, fs::read_link("/proc/thread-self/ns/net")?))
        });
        let (entries, table, in_use, namespace) = seen.expect("tests run as root");
        assert_eq!((entries, table.as_str(), in_use), (Some(1024), "1024", Some(1)));
        assert_ne!(namespace, outside);
        assert_eq!(fs::read_link("/proc/thread-self/ns/net").unwrap(), outside);
        let failed = inside(1, |_| -> anyhow::Result<()> { Err(anyhow!("no")) });
        assert_eq!(failed.unwrap_err().to_string(), "no");
    }
}
