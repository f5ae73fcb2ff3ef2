//! lighttpd: a small static file, which it keeps open. It cannot send a reply from its configuration alone.

use super::program::{Program, Site};

pub(super) const PROGRAM: Program = Program {
    executable: "lighttpd",
    package: "lighttpd",
    version_argument: "-v",
    version: |text| text.split_whitespace().next().filter(|word| word.starts_with("lighttpd/")),
    arguments: |site| ["-D", "-f", &site.configuration()].map(str::to_owned).into(),
    configuration,
    // A single worker runs in the main process.
    children: |cpus| if cpus > 1 { cpus } else { 0 },
    about: "one worker per CPU on the CPUs as a set, no logs, no modules but index and static file, a text file of 13 \
            bytes by writev; a connection ends after 65,535 requests, its largest limit; it does more than this \
            project's server (looks the index up in a cache of a second, reads the file, writes ETag, Last-Modified, \
            Accept-Ranges, Date and Server headers) and sends each pipelined reply by itself",
};

fn configuration(site: &Site<'_>) -> String {
    let workers = match site.cpus.len() {
        1 => String::new(),
        count => format!("server.max-worker = {count}\n"),
    };
    format!(
        "{workers}server.modules = ()
server.document-root = \"{directory}\"
server.bind = \"{host}\"
server.port = {port}
server.listen-backlog = 65535
server.event-handler = \"linux-sysepoll\"
server.network-backend = \"writev\"
server.max-fds = {descriptors}
server.max-connections = {connections}
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = 3600
index-file.names = (\"index.txt\")
mimetype.assign = (\".txt\" => \"text/plain\")
",
        directory = site.directory.display(),
        host = site.address.ip(),
        port = site.address.port(),
        descriptors = site.descriptors,
        // lighttpd refuses more.
        connections = site.descriptors / 2,
    )
}
