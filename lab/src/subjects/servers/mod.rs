//! The servers that experiments compare: this project's variants, those of the distribution, and those on
//! other Rust libraries. A file each knows how one is set up.

pub(crate) mod about;
pub(crate) mod c10m;
mod crates;
mod ended;
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
