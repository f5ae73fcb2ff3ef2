//! Adds up 32-bit per-CPU counters, which wrap, to 64-bit totals. Reads nothing.

use super::delta::Softnet;
use super::parse::SoftnetRow;
use std::collections::BTreeMap;

/// Sums over all CPUs since the first reading. A 32-bit counter wraps within minutes at millions of packets per
/// second, so each reading is compared with the last one. One reading a minute suffices.
#[derive(Debug, Default)]
pub(crate) struct SoftnetTotal {
    last: BTreeMap<u32, SoftnetRow>,
    total: Softnet,
}

impl SoftnetTotal {
    /// Adds what each CPU counted since its last reading. A CPU seen for the first time adds nothing. `None` when
    /// there are no rows.
    pub(crate) fn add(&mut self, rows: impl Iterator<Item = SoftnetRow>) -> Option<Softnet> {
        let mut is_empty = true;
        for row in rows {
            is_empty = false;
            let last = self.last.insert(row.cpu, row).unwrap_or(row);
            self.total.processed += u64::from(row.processed.wrapping_sub(last.processed));
            self.total.dropped += u64::from(row.dropped.wrapping_sub(last.dropped));
            self.total.squeezed += u64::from(row.squeezed.wrapping_sub(last.squeezed));
        }
        (!is_empty).then_some(self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_grow_across_a_wrap_and_a_new_cpu() {
        let row = |cpu, processed, dropped, squeezed| SoftnetRow { cpu, processed, dropped, squeezed };
        let softnet = |processed, dropped, squeezed| Some(Softnet { processed, dropped, squeezed });
        let mut total = SoftnetTotal::default();
        for (rows, expected) in [
            (&[row(0, u32::MAX - 1, 5, 0)][..], softnet(0, 0, 0)),
            (&[row(0, 3, 6, 0)], softnet(5, 1, 0)),
            (&[row(0, 4, 6, 0), row(2, 1000, 1000, 1000)], softnet(6, 1, 0)),
            (&[row(2, 1010, 1000, 1002)], softnet(16, 1, 2)),
            (&[], None),
            (&[row(0, 5, 6, 1), row(2, 1010, 1000, 1002)], softnet(17, 1, 3)),
        ] {
            assert_eq!(total.add(rows.iter().copied()), expected);
        }
    }
}
