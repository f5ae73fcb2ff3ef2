//! What a server of HTTP accepts, and which targets it has beyond the usual ones.

/// Limits of the HTTP workload.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Longest request body in bytes; longer ones are answered 413.
    pub body_len_max: u32,
    /// Largest N of `/bytes/N`; larger ones are answered 404.
    pub bytes_max: u32,
    /// Whether there are `/block/MS`, `/work/US` and `/offload/MS`, by which any peer takes the server's time.
    pub lab_routes: bool,
    /// Whether there is `/db/KEY`.
    pub database: bool,
}

impl Default for HttpLimits {
    /// 1 MiB stays below the default socket buffers, so that a client that writes its whole body
    /// before it reads cannot block itself; 1 GiB bounds a reply that one short request asks for.
    fn default() -> Self {
        HttpLimits { body_len_max: 1 << 20, bytes_max: 1 << 30, lab_routes: false, database: false }
    }
}
