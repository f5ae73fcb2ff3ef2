//! Compares the length that a histogram announces with its actual length, before `hdrhistogram` allocates memory for
//! it. A record may come from anybody, and 40 bytes may announce 4 GiB.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::ZlibDecoder;

use super::error::HistogramError;

/// The first four bytes of the plain and of the deflated form (HdrHistogram, `EncodableHistogram` of the Java
/// original).
const COOKIES: [u32; 2] = [0x1c84_9313, 0x1c84_9314];
/// Cookie, length, offset, digits, lowest, highest, ratio.
const HEADER_BYTES: usize = 40;
/// Cookie and length.
const HEADER_BYTES_DEFLATED: usize = 8;
/// The longest histogram after inflation. One of this project has at most 55,000 counts of nine bytes each.
const INFLATED_BYTES_MAX: u64 = 16 << 20;
/// A number has at most nine bytes, and all bits of the last one belong to it.
const NUMBER_BYTES_MAX: usize = 9;

/// Returns the plain form, which is as long as it announces.
///
/// # Errors
/// [`HistogramError::Format`] when it is not a histogram, ends too early, or inflates to more than any histogram
/// needs.
pub(super) fn plain(bytes: &[u8]) -> Result<Cow<'_, [u8]>, HistogramError> {
    let plain = match word(bytes, 0)? {
        cookie if cookie == COOKIES[0] => Cow::Borrowed(bytes),
        cookie if cookie == COOKIES[1] => Cow::Owned(inflated(content(bytes, HEADER_BYTES_DEFLATED)?)?),
        _ => return Err(format("it does not begin like one")),
    };
    if word(&plain, 0)? != COOKIES[0] {
        return Err(format("it does not inflate to a histogram"));
    }
    check_numbers(content(&plain, HEADER_BYTES)?)?;
    Ok(plain)
}

/// The bytes after a header, as many as the header announces.
fn content(bytes: &[u8], header_bytes: usize) -> Result<&[u8], HistogramError> {
    let announced = word(bytes, 4)?;
    let there = bytes.get(header_bytes..).ok_or_else(|| format("it ends within its header"))?;
    let length = usize::try_from(announced).ok().filter(|length| *length <= there.len());
    let length = length.ok_or_else(|| {
        HistogramError::Format(format!("it announces {announced} bytes of counts and has {}", there.len()))
    })?;
    Ok(&there[..length])
}

fn inflated(deflated: &[u8]) -> Result<Vec<u8>, HistogramError> {
    let mut plain = Vec::new();
    // One byte more, to detect a longer one.
    let mut inflating = ZlibDecoder::new(deflated).take(INFLATED_BYTES_MAX + 1);
    inflating.read_to_end(&mut plain).map_err(|error| HistogramError::Format(error.to_string()))?;
    if plain.len() as u64 > INFLATED_BYTES_MAX {
        return Err(HistogramError::Format(format!(
            "it inflates to more than the {} MiB that are read",
            INFLATED_BYTES_MAX >> 20
        )));
    }
    Ok(plain)
}

/// Refuses the one number that `hdrhistogram` cannot negate: i64::MIN, a run of 2^63 zeros, which ZigZag encodes as
/// all ones. Each byte has seven bits of a number, least significant first; its top bit says that another byte follows
/// (LEB128-64b9B).
fn check_numbers(mut counts: &[u8]) -> Result<(), HistogramError> {
    while !counts.is_empty() {
        let most = counts.len().min(NUMBER_BYTES_MAX);
        let (number, _) = counts.split_at(most);
        if number == [0xff; NUMBER_BYTES_MAX] {
            return Err(format("it announces more zeros than a histogram can have"));
        }
        let continued = number.iter().take(NUMBER_BYTES_MAX - 1).take_while(|byte| **byte & 0x80 != 0).count();
        counts = counts.get(continued + 1..).unwrap_or_default();
    }
    Ok(())
}

fn word(bytes: &[u8], at: usize) -> Result<u32, HistogramError> {
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    word.map(u32::from_be_bytes).ok_or_else(|| format("it ends within its header"))
}

fn format(complaint: &str) -> HistogramError {
    HistogramError::Format(complaint.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

    use super::*;
    use crate::histogram::Latencies;

    /// A histogram of three digits with these counts, which announces `announced` bytes of them.
    fn histogram(announced: u32, counts: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [COOKIES[0], announced, 0, 3] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        for long in [1, 3_600_000_000, 1f64.to_bits()] {
            bytes.extend_from_slice(&long.to_be_bytes());
        }
        bytes.extend_from_slice(counts);
        bytes
    }

    fn deflated(plain: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        let content = encoder.finish().unwrap();
        let mut bytes = COOKIES[1].to_be_bytes().to_vec();
        bytes.extend_from_slice(&(content.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&content);
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Latencies, HistogramError> {
        Latencies::decode(&BASE64_STANDARD.encode(bytes))
    }

    #[test]
    fn what_fits_is_read() {
        // One value of 0 and two of 1.
        let plain = histogram(2, &[2, 4]);
        assert_eq!(decode(&plain).unwrap().count(), 3);
        assert_eq!(decode(&deflated(&plain)).unwrap().count(), 3);
        let mut latencies = Latencies::new();
        latencies.record(5_000_000, 1 << 40).unwrap();
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(latencies.histogram(), &mut bytes).unwrap();
        assert_eq!(decode(&bytes).unwrap().count(), 1 << 40);
    }

    #[test]
    fn what_announces_more_than_it_has_is_refused() {
        let mut short = deflated(&histogram(2, &[2, 4]));
        short.truncate(short.len() - 1);
        let bomb = vec![0; INFLATED_BYTES_MAX as usize + 1];
        let zeros = histogram(9, &[0xff; NUMBER_BYTES_MAX]);
        let late = [2, 4].into_iter().chain([0xff; NUMBER_BYTES_MAX]).chain([2; 10]).collect::<Vec<u8>>();
        for (bytes, words) in [
            (histogram(0xffff_fff0, &[]), "announces 4294967280 bytes"),
            (histogram(3, &[2, 4]), "announces 3 bytes of counts and has 2"),
            (deflated(&histogram(0xffff_fff0, &[])), "announces 4294967280 bytes"),
            (short, "bytes of counts and has"),
            (deflated(&bomb), "more than the 16 MiB"),
            (deflated(&deflated(&[])), "does not inflate to a histogram"),
            (zeros.clone(), "more zeros"),
            (deflated(&zeros), "more zeros"),
            (histogram(late.len() as u32, &late), "more zeros"),
            (histogram(2, &[2, 4])[..39].to_vec(), "within its header"),
            (COOKIES[0].to_be_bytes().to_vec(), "within its header"),
        ] {
            let error = decode(&bytes).expect_err(words).to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
        // A number that lacks its next byte; then one of nine bytes, all bits of the last included.
        assert!(decode(&histogram(1, &[0x80])).is_err());
        let whole = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 2];
        assert!(decode(&histogram(10, &whole)).is_err(), "more zeros than there are places");
    }
}
