//! The files of `tuning/rules`, as they were when the program was built. A test compares the list with the directory.

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../rules/", $name)))),*]
    };
}

/// Names and texts, in the order in which people meet the settings.
pub(super) const FILES: &[(&str, &str)] = files!["accept.toml", "ports.toml", "sockets.toml"];
