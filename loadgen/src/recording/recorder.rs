//! A histogram of times, and its encoding for records and logs.

use base64::Engine as _;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer, V2Serializer};

/// Longest time that can be recorded, in ns: one hour.
const VALUE_MAX: u64 = 3_600_000_000_000;
/// Significant decimal digits of a recorded time.
const DIGITS: u8 = 3;

/// A histogram of times in ns that counts what it had to clamp.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    pub(crate) histogram: Histogram<u64>,
    pub(crate) clamped: u64,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, VALUE_MAX, DIGITS);
        Recorder { histogram: histogram.expect("1 ns to 1 h at 3 digits is a valid range"), clamped: 0 }
    }

    #[inline]
    pub(crate) fn record(&mut self, value_ns: u64) {
        if value_ns > VALUE_MAX {
            self.clamped += 1;
        }
        self.histogram.saturating_record(value_ns);
    }

    pub(crate) fn record_n(&mut self, value_ns: u64, count: u64) {
        if value_ns > VALUE_MAX {
            self.clamped += count;
        }
        self.histogram.saturating_record_n(value_ns, count);
    }

    /// Forgets everything, and keeps the memory.
    pub(crate) fn reset(&mut self) {
        self.histogram.reset();
        self.clamped = 0;
    }

    /// Samples above `value_ns`, to the precision of the histogram.
    pub(crate) fn count_above(&self, value_ns: u64) -> u64 {
        // The bucket of the bound itself is not above it.
        let bound = self.histogram.highest_equivalent(value_ns);
        if bound >= self.histogram.max() { 0 } else { self.histogram.count_between(bound + 1, self.histogram.max()) }
    }

    /// Adds by counts, the only sound way to merge quantiles.
    pub(crate) fn add(&mut self, other: &Recorder) {
        self.histogram.add(&other.histogram).expect("recorders have equal ranges");
        self.clamped += other.clamped;
    }
}

/// The compressed V2 encoding of HdrHistogram, as its tools exchange it.
pub(crate) fn encode(recorder: &Recorder) -> String {
    let mut bytes = Vec::new();
    // Writing to a Vec cannot fail; should the encoder refuse, an empty string says so.
    match V2DeflateSerializer::new().serialize(&recorder.histogram, &mut bytes) {
        Ok(_) => base64::engine::general_purpose::STANDARD.encode(bytes),
        Err(_) => String::new(),
    }
}

/// The V2 encoding without its compression, which takes ten times as long.
pub(crate) fn raw_bytes(recorder: &Recorder) -> Vec<u8> {
    let mut bytes = Vec::new();
    // As above: empty bytes say so.
    match V2Serializer::new().serialize(&recorder.histogram, &mut bytes) {
        Ok(_) => bytes,
        Err(_) => Vec::new(),
    }
}

/// Turns [`raw_bytes`] into what [`encode`] would have returned.
pub(crate) fn compress(raw: &[u8]) -> String {
    match Deserializer::new().deserialize::<u64, _>(&mut &raw[..]) {
        Ok(histogram) => encode(&Recorder { histogram, clamped: 0 }),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_beyond_the_range_are_clamped_and_counted() {
        let mut recorder = Recorder::new();
        recorder.record(VALUE_MAX);
        recorder.record_n(VALUE_MAX * 2, 3);
        assert_eq!(recorder.clamped, 3);
        assert_eq!(recorder.histogram.len(), 4);
        assert_eq!((recorder.count_above(1000), recorder.count_above(u64::MAX)), (4, 0));
        recorder.reset();
        assert_eq!((recorder.clamped, recorder.histogram.len()), (0, 0));
    }

    #[test]
    fn histograms_survive_the_encoding() {
        let mut original = Recorder::new();
        [1, 1000, 1_000_000, 1_000_000].into_iter().for_each(|value| original.record(value));
        assert_eq!(compress(&raw_bytes(&original)), encode(&original));
        let bytes = base64::engine::general_purpose::STANDARD.decode(encode(&original)).unwrap();
        let mut reader = hdrhistogram::serialization::Deserializer::new();
        let decoded: hdrhistogram::Histogram<u64> = reader.deserialize(&mut bytes.as_slice()).unwrap();
        assert_eq!(decoded, original.histogram);
    }
}
