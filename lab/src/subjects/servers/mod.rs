//! The servers that experiments compare: this project's variants, servers of the distribution, and servers on other
//! Rust libraries. Each has a file that knows how to set it up.

pub(crate) mod about;
pub(crate) mod c10m;
mod crates;
pub(crate) mod ended;
mod h2o;
mod haproxy;
pub(crate) mod kind;
mod lighttpd;
mod nginx;
mod program;
pub(crate) mod running;
mod started;
#[cfg(test)]
mod tests;

pub(crate) use started::TemporaryDirectory;
