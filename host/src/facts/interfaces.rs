//! Reads the network interfaces of hardware, real or emulated by a hypervisor. Keeps no addresses. Loopback, bridges
//! and tunnels have no device behind them and are left out.

use serde::Serialize;

use super::source::Source;

/// Limits what a record contains about hosts with very many interfaces, queues or interrupts.
const INTERFACES_MAX: usize = 32;
const QUEUES_MAX: usize = 256;
const INTERRUPTS_MAX: usize = 256;

/// A network interface with a device behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// The interface's name. Only its kind if the rest of the name is a hardware address.
    pub name: String,
    /// The kernel's driver.
    pub driver: Option<String>,
    /// Speed in Mb/s. Null if the device does not report it; most virtual ones do not.
    pub speed_mbit: Option<u64>,
    /// Largest packet, in bytes.
    pub mtu_bytes: Option<u64>,
    /// up, down, unknown.
    pub state: Option<String>,
    /// Root queueing discipline. Null if the kernel was not asked.
    pub qdisc: Option<String>,
    /// Number of queues for arriving packets.
    pub receive_queue_count: usize,
    /// Number of queues for packets to send.
    pub send_queue_count: usize,
    /// RPS: the different masks of processors that take over packets.
    pub receive_cpus: Vec<String>,
    /// XPS: the different masks of processors that use a queue to send.
    pub send_cpus: Vec<String>,
    /// Its interrupts.
    pub interrupts: Vec<Interrupt>,
}

/// An interrupt of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interrupt {
    /// The kernel's number for it.
    pub number: u64,
    /// The processors that may handle it, as a list such as `0-3,8`.
    pub cpus: Option<String>,
}

/// The kernel's answer for each interface index: the root queueing discipline.
pub(super) type Qdiscs = std::collections::BTreeMap<u64, String>;

/// Whether `/sys` shows the interfaces of this process. `/sys` shows those of the network namespace in which it was
/// mounted, and `unshare --net` leaves that namespace. `/proc/net` follows the process (network_namespaces(7)).
pub(super) fn are_ours(source: &mut Source<'_>) -> bool {
    let Some(text) = source.text("proc/net/dev") else {
        return true;
    };
    let mut ours: Vec<String> =
        text.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect();
    ours.sort();
    let mut shown = source.names("sys/class/net");
    // A file of the bonding driver among the interfaces.
    shown.retain(|name| name != "bonding_masters");
    ours == shown
}

pub(super) fn interfaces(source: &mut Source<'_>, qdiscs: &Qdiscs) -> Vec<Interface> {
    if !are_ours(source) {
        return Vec::new();
    }
    let names = source.names("sys/class/net");
    let real: Vec<String> =
        names.into_iter().filter(|name| source.exists(&format!("sys/class/net/{name}/device"))).collect();
    real.into_iter().take(INTERFACES_MAX).map(|name| interface(source, name, qdiscs)).collect()
}

/// The root queueing discipline of an interface.
pub(super) fn qdisc(source: &mut Source<'_>, name: &str, qdiscs: &Qdiscs) -> Option<String> {
    let index = source.text(&format!("sys/class/net/{name}/ifindex"))?.parse().ok()?;
    qdiscs.get(&index).cloned()
}

fn interface(source: &mut Source<'_>, name: String, qdiscs: &Qdiscs) -> Interface {
    let folder = format!("sys/class/net/{name}");
    let queues = source.names(&format!("{folder}/queues"));
    let of = |prefix: &'static str| queues.iter().filter(move |queue| queue.starts_with(prefix)).take(QUEUES_MAX);
    let mut masks = |prefix: &'static str, file: &str| {
        let mut masks: Vec<String> = Vec::new();
        for queue in of(prefix) {
            let mask = source.text(&format!("{folder}/queues/{queue}/{file}"));
            masks.extend(mask.filter(|mask| !masks.contains(mask)));
        }
        masks
    };
    let (receive_cpus, send_cpus) = (masks("rx-", "rps_cpus"), masks("tx-", "xps_cpus"));
    Interface {
        driver: source.link_name(&format!("{folder}/device/driver")),
        // A link that is down or has no speed reports -1.
        speed_mbit: source.text(&format!("{folder}/speed")).and_then(|text| text.parse().ok()),
        // Read as plain text, like everything about an interface: an error would name the file, and with it perhaps an
        // address.
        mtu_bytes: source.text(&format!("{folder}/mtu")).and_then(|text| text.parse().ok()),
        state: source.text(&format!("{folder}/operstate")),
        qdisc: qdisc(source, &name, qdiscs),
        receive_queue_count: of("rx-").count(),
        send_queue_count: of("tx-").count(),
        receive_cpus,
        send_cpus,
        interrupts: interrupts(source, &folder),
        name: impersonal(&name).to_owned(),
    }
}

/// A name without its hardware address. systemd uses the address in names such as `enx525400123456` when it has no
/// better name (systemd.net-naming-scheme(7)).
fn impersonal(name: &str) -> &str {
    match name.split_at_checked(3) {
        Some((kind @ ("enx" | "wlx"), address)) if address.chars().all(|c| c.is_ascii_hexdigit()) => kind,
        _ => name,
    }
}

/// A PCI device lists its interrupts. For a virtio device, the PCI device behind it does.
fn interrupts(source: &mut Source<'_>, folder: &str) -> Vec<Interrupt> {
    let own = source.names(&format!("{folder}/device/msi_irqs"));
    let names = if own.is_empty() { source.names(&format!("{folder}/device/../msi_irqs")) } else { own };
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.truncate(INTERRUPTS_MAX);
    numbers
        .into_iter()
        .map(|number| Interrupt { number, cpus: source.text(&format!("proc/irq/{number}/smp_affinity_list")) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_the_address_in_them() {
        for (name, expected) in
            [("enx525400123456", "enx"), ("wlx0a", "wlx"), ("enp3s0", "enp3s0"), ("enxyz", "enxyz"), ("lo", "lo")]
        {
            assert_eq!(impersonal(name), expected);
        }
    }
}
