//! Tables beside a record: comma-separated values (RFC 4180) under zstd (RFC 8878), which pandas, DuckDB and R read as
//! they are.

use std::io::{self, Read};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{named_file, series};

/// Of 1 to 22. 19 is the highest that needs no more memory to read than the others; a run is written once.
const LEVEL: i32 = 19;

/// The file of some rows, with the columns `first` in front.
///
/// # Errors
/// When a row has no JSON form, or memory is short.
pub fn file<T: Serialize>(first: &[&str], rows: &[T]) -> io::Result<Vec<u8>> {
    zstd::encode_all(series::csv_of_rows(first, rows)?.as_bytes(), LEVEL)
}

/// The rows of a file; columns that `T` does not know are left out.
///
/// # Errors
/// When it is no such file, lacks a column, or is larger than any that is read.
pub fn rows<T: DeserializeOwned>(file: &[u8]) -> io::Result<Vec<T>> {
    let mut text = Vec::new();
    let bytes_max = named_file::SERIES_BYTES_MAX;
    zstd::Decoder::new(file)?.take(bytes_max + 1).read_to_end(&mut text)?;
    if text.len() as u64 > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {} MiB", bytes_max >> 20)));
    }
    let rows: Result<Vec<T>, csv::Error> = csv::Reader::from_reader(text.as_slice()).into_deserialize().collect();
    rows.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Row {
        name: String,
        value: f64,
        missing: Option<f64>,
        is_odd: bool,
    }

    #[test]
    fn what_is_written_is_read() {
        let row = |name: &str, value| Row { name: name.to_owned(), value, missing: None, is_odd: true };
        let rows = [row("a, \"b\"", 0.1 + 0.2), Row { missing: Some(1e-9), ..row("\n", -1.5) }];
        let written = file(&["name"], &rows).expect("rows");
        assert_eq!(self::rows::<Row>(&written).expect("the same rows"), rows);
        for bad in [&b"no zstd"[..], &written[..written.len() / 2], &file::<()>(&[], &[]).expect("no rows")[..3]] {
            assert!(self::rows::<Row>(bad).is_err());
        }
        let other = zstd::encode_all(&b"name\nx\n"[..], LEVEL).expect("a file");
        assert!(self::rows::<Row>(&other).expect_err("a column is missing").to_string().contains("value"));
    }
}
