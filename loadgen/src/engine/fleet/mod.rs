//! The connections of one worker, and everything about them that does not depend on the I/O: what is sent
//! when, what a reply means, what is counted. An engine moves the bytes.

mod again;
mod arrivals;
mod beats;
mod clients;
mod heartbeat;
mod hello;
mod opening;
mod queue;
mod quota;
mod reconnect;
mod requests;
mod sample;
mod slices;
mod state;

pub(super) use state::{Fleet, LastArrival};
