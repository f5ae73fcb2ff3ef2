//! Reads the memory of the host, its huge pages and its NUMA nodes.

use serde::Serialize;

use super::source::Source;
use crate::meminfo::Meminfo;
use crate::text::{field, kibibytes, listed_count, ranges};

/// Most nodes to list. With more, only their count would be useful; CONFIG_NODES_SHIFT allows 1024.
const NODES_MAX: usize = 64;

/// Memory of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// MemTotal.
    pub total_bytes: Option<u64>,
    /// MemAvailable: the kernel's own estimate of the memory that is available without swapping.
    pub available_bytes: Option<u64>,
    /// SwapTotal.
    pub swap_total_bytes: Option<u64>,
    /// Huge pages of the default size that are reserved.
    pub huge_page_count: Option<u64>,
    /// The default size of huge pages.
    pub huge_page_bytes: Option<u64>,
    /// When the kernel uses huge pages without an explicit request: always, madvise, never.
    pub transparent_huge_pages: Option<String>,
    /// How hard the kernel tries to get huge pages.
    pub transparent_huge_pages_defrag: Option<String>,
    /// Online NUMA nodes. Null if the kernel knows none.
    pub numa_node_count: Option<u64>,
    /// The first of these nodes.
    pub numa_nodes: Vec<NumaNode>,
}

/// A NUMA node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NumaNode {
    /// The kernel's number for the node.
    pub index: u64,
    /// Its processors, as a list such as `0-3,8`. Empty for a node with memory only.
    pub cpus: Option<String>,
    /// Its memory.
    pub total_bytes: Option<u64>,
}

pub(super) fn memory(source: &mut Source<'_>) -> Memory {
    const THP: &str = "sys/kernel/mm/transparent_hugepage";
    let text = source.text(Meminfo::PATH);
    let known = text.as_deref().map(Meminfo::of).unwrap_or_default();
    let huge_page_count = text.as_deref().and_then(|text| field(text, "HugePages_Total")?.parse().ok());
    if let Some(text) = text.filter(|_| known.total.is_none() || known.available.is_none()) {
        source.misunderstood(Meminfo::PATH, &text, "MemTotal and MemAvailable in kB");
    }
    let online = source.parsed("sys/devices/system/node/online", "a list of nodes", |text| {
        listed_count(text).map(|count| (count, ranges(text).unwrap_or_default()))
    });
    Memory {
        total_bytes: known.total,
        available_bytes: known.available,
        swap_total_bytes: known.swap_total,
        huge_page_count,
        huge_page_bytes: known.huge_page,
        transparent_huge_pages: source.chosen(&format!("{THP}/enabled")),
        transparent_huge_pages_defrag: source.chosen(&format!("{THP}/defrag")),
        numa_node_count: online.as_ref().map(|(count, _)| *count),
        numa_nodes: online.map(|(_, ranges)| numa_nodes(source, &ranges)).unwrap_or_default(),
    }
}

fn numa_nodes(source: &mut Source<'_>, online: &[(u64, u64)]) -> Vec<NumaNode> {
    let indices = online.iter().flat_map(|(first, last)| *first..=*last).take(NODES_MAX);
    indices
        .map(|index| {
            let folder = format!("sys/devices/system/node/node{index}");
            let meminfo = source.text(&format!("{folder}/meminfo")).unwrap_or_default();
            let prefix = format!("Node {index} ");
            let total = meminfo.lines().find_map(|line| kibibytes(line.strip_prefix(&prefix)?, "MemTotal"));
            NumaNode { index, cpus: source.text(&format!("{folder}/cpulist")), total_bytes: total }
        })
        .collect()
}
