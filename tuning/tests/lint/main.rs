//! The linter, on made-up hosts.

mod any_bytes;
mod made;
mod order;
mod planted;
mod reach;
mod stock;
mod systemd;
mod troubles;
