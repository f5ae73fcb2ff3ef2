//! h2o: one thread per CPU, and a static file that it keeps open. It cannot send a reply from its configuration alone;
//! the alternatives run a script or a status page for each request.

use super::program::{Program, Site};

pub(super) const PROGRAM: Program = Program {
    executable: "h2o",
    package: "h2o",
    version_argument: "--version",
    version: |text| Some(text.lines().next()?.trim()).filter(|line| line.starts_with("h2o version ")),
    arguments: |site| vec!["-c".to_owned(), site.configuration()],
    configuration,
    children: |_| 0,
    about: "one thread per CPU on the CPUs as a set, no logs, `file.file` with a text file of 13 bytes that it keeps \
            open; it does more than this project's server (reads the file, writes ETag, Last-Modified, Accept-Ranges, \
            Date and Server headers) and sends each pipelined reply by itself",
};

fn configuration(site: &Site<'_>) -> String {
    format!(
        "num-threads: {threads}
num-name-resolution-threads: 1
max-connections: {connections}
http1-request-timeout: 3600
listen: {{ host: \"{host}\", port: {port} }}
hosts:
  default:
    paths:
      /:
        file.file: \"{body}\"
",
        threads = site.cpus.len(),
        connections = site.descriptors - site.descriptors / 10,
        host = site.address.ip(),
        port = site.address.port(),
        body = site.body(),
    )
}
