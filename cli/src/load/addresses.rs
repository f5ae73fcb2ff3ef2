//! The addresses of a target that has several, as a table: what each carried, or why it carried nothing.

use std::io::{self, Write};

use loadgen::record::Record;

use super::layout::table;

/// Prints nothing for a target with one address, because the first line names it.
pub(super) fn print(output: &mut impl Write, record: &Record, width: usize) -> io::Result<()> {
    if record.addresses.len() < 2 {
        return Ok(());
    }
    let rows = record.addresses.iter().map(|address| {
        let cell = |count: u64| tuning::thousands(count);
        match &address.left_out {
            None => vec![address.address.clone(), cell(address.connections), cell(address.established), String::new()],
            Some(why) => vec![address.address.clone(), "-".into(), "-".into(), why.clone()],
        }
    });
    writeln!(output, "{}", table(&["address", "connections", "established", "left out"], rows, width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadgen::record::TargetAddress;

    #[test]
    fn several_addresses_are_named_with_what_they_carried() {
        let mut record = super::super::sample::record(None);
        let print = |record: &Record, width| {
            let mut bytes = Vec::new();
            super::print(&mut bytes, record, width).expect("a Vec");
            String::from_utf8(bytes).expect("UTF-8")
        };
        assert_eq!((record.addresses.len(), print(&record, 80).as_str()), (1, ""));
        assert_eq!((record.addresses[0].established, &record.addresses[0].address), (2, &record.address));
        record.addresses.push(TargetAddress {
            address: "[::1]:8080".into(),
            left_out: Some("ECONNREFUSED".into()),
            ..TargetAddress::default()
        });
        for width in [60, 80] {
            let text = print(&record, width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            assert!(text.contains(&record.address) && text.contains("[::1]:8080"), "{text}");
            assert!(text.contains("ECONNREFUSED"), "{text}");
        }
    }
}
