//! Options that would do nothing, and counts as people write them, on every command that reads them.

use crate::program::{refuses, run};

#[test]
fn options_of_load_without_effect_are_refused() {
    let (http, echo) = ("http://127.0.0.1:1/", "tcp://127.0.0.1:1");
    for (target, arguments, words) in [
        (http, &["--burst", "5"][..], &["--burst", "--schedule bursts"][..]),
        (http, &["-r", "5", "--burst", "10"], &["--burst", "--schedule bursts"]),
        (http, &["--schedule", "constant"], &["--schedule", "--rate"]),
        (http, &["--coalesce", "1ms"], &["--coalesce", "open loop"]),
        (http, &["--spin", "1ms"], &["--spin", "open loop"]),
        (http, &["--payload", "64"], &["--payload", "echo"]),
        (echo, &["--method", "POST"], &["--method", "http://"]),
        (echo, &["--header", "A: b"], &["--header", "http://"]),
        (echo, &["--body", "x"], &["--body", "http://"]),
        (echo, &["--expect-body", "x"], &["--expect-body", "http://"]),
        (echo, &["-r", "0", "--payload", "5"], &["--payload", "idle"]),
        (echo, &["--reconnect", "jitter"], &["jitter", "full-jitter", "decorrelated"]),
        (echo, &["--reconnect", "fixed,bass=1s"], &["bass", "base, cap"]),
        (echo, &["--reconnect", "full-jitter,base=1m"], &["base 60s is longer than cap 10s"]),
        ("unix:/x", &["--reset"], &["--reset", "unix socket"]),
        (echo, &["--timeout", "1us"], &["--timeout 1µs", "every 20ms"]),
        (echo, &["--connect-timeout", "1ms"], &["--connect-timeout 1ms", "every 20ms"]),
        (echo, &["--watch-pid", "4194305"], &["--watch-pid 4194305", "no such process"]),
        (echo, &["--watch-cpus", "0,1023"], &["--watch-cpus 1023", "no such CPU"]),
    ] {
        refuses(&[&["load", target], arguments].concat(), 2, words);
    }
    refuses(&["load", "--self-test", "-c", "5"], 2, &["--connections", "--self-test"]);
}

#[test]
fn options_of_servers_without_effect_are_refused() {
    refuses(&["serve", "echo", "--header-timeout", "5s"], 2, &["--header-timeout", "http"]);
    refuses(&["serve", "echo", "--max-body", "5"], 2, &["--max-body", "http"]);
    refuses(&["serve", "http", "--listen", "unix:/nonexistent/x", "--rcvbuf", "64KiB"], 2, &["--rcvbuf", "--sndbuf"]);
    refuses(&["serve", "echo", "--accept-order", "newest"], 2, &["--accept-order", "--accept-rate"]);
    refuses(&["serve", "echo", "--accept-rate", "9", "--retry-after", "1"], 2, &["--retry-after", "serve http"]);
    refuses(&["serve", "http", "--retry-after", "1"], 2, &["--retry-after", "--accept-rate"]);
    refuses(
        &["serve", "http", "--accept-rate", "9", "--accept-order", "oldest", "--retry-after", "1"],
        2,
        &["--retry-after", "--accept-order"],
    );
    refuses(&["serve", "http", "--accept-rate", "9", "--retry-after", "0"], 2, &["--retry-after"]);
    refuses(&["serve", "echo", "--accept-rate", "9", "--waiting-room", "5"], 2, &["--waiting-room", "--accept-order"]);
    for timeout in ["0s", "101s"] {
        let evict = ["serve", "http", "--when-short", "evict", "--idle-timeout", timeout];
        refuses(&evict, 2, &["--when-short evict", "--idle-timeout", "1m 40s"]);
    }
    for (options, words) in [
        (&["echo", "--lab-routes"][..], &["--lab-routes", "http"][..]),
        (&["echo", "--pool-threads", "2"], &["--pool-threads", "http"]),
        (&["http", "--pool-queue", "unbounded"], &["--pool-queue", "--lab-routes or --db"]),
        (&["http", "--lab-routes", "--db-time", "1ms"], &["--db-time", "--db FILE"]),
        (&["http", "--lab-routes", "--pool-threads", "65"], &["--pool-threads", "1..=64"]),
        (&["http", "--lab-routes", "--pool-queue", "0"], &["--pool-queue", "unbounded"]),
        (&["http", "--lab-routes", "--pool-deadline", "0s"], &["--pool-deadline", "no limit"]),
        (&["http", "--db", "/nonexistent/x", "--db-time", "11s"], &["--db-time", "10s at most"]),
        (&["http", "--db", "/nonexistent/x", "--db-slow", "1s"], &["--db-slow-one-in"]),
    ] {
        refuses(&[&["serve"], options].concat(), 2, words);
    }
    refuses(&["serve", "http", "--db", "/nonexistent/x"], 1, &["--db /nonexistent/x", "directory that may be written"]);
    refuses(&["serve", "http", "--lab-routes", "--pool-cpus", "1023"], 1, &["thread of the pool", "--pool-cpus"]);
    for option in ["--idle-timeout", "--header-timeout", "--stall-timeout"] {
        refuses(&["serve", "http", option, "99ms"], 2, &[option, "100ms"]);
    }
    refuses(&["null-server", "echo", "--every", "1s"], 2, &["--stall"]);
    refuses(&["null-server", "http", "--message-len", "64"], 2, &["--message-len", "echo"]);
}

/// Whether it is refused does not depend on what `auto` would choose.
#[test]
fn what_a_variant_cannot_do_is_refused() {
    for variant in
        [&["--backend", "io_uring"][..], &["--backend", "io_uring", "--variant", "poll"], &["--backend", "auto"]]
    {
        for (options, words) in [
            (&["--accept-rate", "9", "--accept-order", "newest"][..], &["--accept-order", "epoll", "mio"][..]),
            (&["--when-short", "shed"], &["--when-short shed", "epoll", "mio", "slots of the ring"]),
            (&["--when-short", "evict"], &["--when-short evict", "epoll", "mio", "slots of the ring"]),
            (&["--when-short", "spin"], &["--when-short spin", "--backend epoll --variant level"]),
        ] {
            refuses(&[&["serve", "http"], variant, options].concat(), 2, words);
        }
    }
    for variant in [&["--backend", "epoll", "--variant", "edge"][..], &["--backend", "mio"]] {
        let spin = [&["serve", "http", "--when-short", "spin"], variant].concat();
        refuses(&spin, 2, &["--when-short spin", "--backend epoll --variant level"]);
    }
    refuses(&["serve", "http", "--accept-rate", "0"], 2, &["--accept-rate", "0 is not in 1..="]);
    refuses(&["serve", "http", "--when-short", "sleep"], 2, &["sleep", "pause, spin, shed, evict"]);
}

/// Each of these has a number that is understood, and ends for another reason, which comes later.
#[test]
fn counts_are_read_as_people_write_them() {
    let (target, nobody) = ("tcp://127.0.0.1:1", &["-d", "1s"][..]);
    for arguments in [
        &["-c", "1e1"][..],
        &["-c", "0.01k"],
        &["-r", "10k"],
        &["-r", "2.5e3"],
        &["-r", "0.5"],
        &["--connect-rate", "1e6"],
        &["--requests-per-connection", "1k"],
        &["-t", "1e0"],
        &["-r", "10", "--schedule", "bursts", "--burst", "1e1"],
    ] {
        refuses(&[&["load", target], arguments, nobody].concat(), 1, &["ECONNREFUSED"]);
    }
    refuses(&["load", target, "--stages", "10k@1s,2.5M@1s"], 1, &["ECONNREFUSED"]);
    // TEST-NET-1 is not connected to.
    refuses(&["load", "tcp://192.0.2.1:1", "-c", "9k"], 2, &["192.0.2.1"]);
    for (arguments, option) in [
        (&["-c", "1.5"][..], "--connections"),
        (&["-c", "5G"], "--connections"),
        (&["-c", "1e3k"], "--connections"),
        (&["--requests-per-connection", "70k"], "--requests-per-connection"),
        (&["-r", "fast"], "--rate"),
        (&["--pipeline", "1.5"], "--pipeline"),
    ] {
        refuses(&[&["load", target], arguments].concat(), 2, &[option]);
    }
    for option in ["--max-connections", "--backlog", "--reactors"] {
        refuses(&["serve", "http", "--listen", "unix:/nonexistent/x", option, "1e2"], 1, &["unix:/nonexistent/x"]);
    }
    let accepts =
        ["serve", "http", "--listen", "unix:/nonexistent/x", "--backend", "epoll", "--accepts-per-turn", "1k"];
    refuses(&accepts, 1, &["unix:/nonexistent/x"]);
    refuses(&["serve", "http", "--max-connections", "5M"], 2, &["--max-connections", "5000000 is not in 1..=4194304"]);
    for arguments in [
        &["tune", "plan", "--connections", "1e6", "--reactors", "0.06k", "--json"][..],
        &["tune", "audit", "--connections", "2.5e6", "--json"],
    ] {
        let (code, stdout, stderr) = run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {stderr}");
        assert!(stdout.contains("1000000") || stdout.contains("2500000"), "{stdout}");
    }
    refuses(&["bench", "nothing", "--repeats", "1e9"], 2, &["--repeats"]);
}
