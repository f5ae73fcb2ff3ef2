//! What can be wrong with a histogram.

/// Why a histogram could not be read, merged or written.
#[derive(Debug, thiserror::Error)]
pub enum HistogramError {
    /// The text is not base64.
    #[error("not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// The bytes are not a histogram.
    #[error("not an HdrHistogram V2: {0}")]
    Format(String),
    /// The histograms cannot be merged.
    #[error("cannot be merged: {0}")]
    Merge(String),
}
