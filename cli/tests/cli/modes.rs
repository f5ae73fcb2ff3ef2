//! The ways in which `c10m load` sends, and how it judges: schedules, heartbeats, churn, engines, SLO.

use serde_json::Value;

use crate::program::{Server, refuses, run};

const SHORT: [&str; 4] = ["-d", "400ms", "--warmup", "0s"];

fn load(server: &Server, scheme: &str, arguments: &[&str]) -> (i32, Value) {
    let target = format!("{scheme}://{}", server.address);
    let (code, stdout, stderr) = run(&[&["load", "--json", &target], arguments].concat());
    (code, serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout:?} {stderr}")))
}

#[test]
fn every_way_to_send_is_in_the_record() {
    let server = Server::start(&["http"]);
    for (arguments, mode, schedule) in [
        (&["-c", "4"][..], "closed", Value::Null),
        (&["-r", "500"], "open", "poisson".into()),
        (&["-r", "500", "--schedule", "constant"], "open", "constant".into()),
        (&["-r", "500", "--schedule", "bursts", "--burst", "20"], "open", "bursts".into()),
        (&["-r", "0"], "idle", Value::Null),
        (&["--heartbeat", "100ms"], "heartbeat", Value::Null),
        (&["--requests-per-connection", "2"], "closed", Value::Null),
        (&["--connect-rate", "200", "--engine", "io_uring"], "closed", Value::Null),
    ] {
        let (code, record) = load(&server, "http", &[&SHORT[..], arguments].concat());
        assert!(code == 0 || code == 4, "{arguments:?}: {code} {record}");
        assert_eq!((&record["mode"], &record["schedule"]), (&mode.into(), &schedule), "{arguments:?}");
        assert_eq!(record["requests"]["failed"], 0, "{arguments:?}: {record}");
        let checks = record["verdict"]["checks"].as_array().expect("checks");
        let ids: Vec<String> = checks.iter().map(|check| check["id"].as_str().unwrap_or("").to_owned()).collect();
        assert_eq!(ids, (1..=20).map(|number| format!("V{number}")).collect::<Vec<_>>(), "{arguments:?}");
        for check in checks {
            for key in ["value", "warn", "invalid", "state", "why"] {
                assert!(check[key].is_string(), "{key} of {check}");
            }
        }
    }
    let (_, record) = load(&server, "http", &["--stages", "rate=500@200ms,0@100ms,1000@200ms", "--warmup", "0s"]);
    assert_eq!((&record["mode"], &record["duration_planned_us"]), (&"open".into(), &500_000.into()));
}

#[test]
fn intervals_have_what_the_kernel_counted() {
    let server = Server::start(&["echo"]);
    let (_, record) = load(&server, "tcp", &["-d", "500ms", "--interval", "100ms", "-r", "1000"]);
    let intervals = record["intervals"].as_array().expect("intervals");
    let measured: Vec<&Value> = intervals.iter().filter(|interval| interval["phase"] == "measured").collect();
    // A paused machine may skip some.
    assert!((1..=5).contains(&measured.len()), "{}", measured.len());
    assert!(intervals.iter().any(|interval| interval["phase"] == "warm_up"));
    assert!(measured.iter().any(|interval| interval["kernel"]["tcp"]["OutSegs"].as_u64() > Some(0)), "{measured:?}");
    assert!(record["kernel"]["tcp"]["OutSegs"].as_u64() > Some(0));
    assert!(record["hiccups"]["count"].as_u64() > Some(0), "{}", record["hiccups"]);
    assert!(record["clock"]["read_ns"].as_f64() > Some(0.0), "{}", record["clock"]);
}

#[test]
fn a_slo_has_its_exit_code() {
    let server = Server::start(&["echo"]);
    let enough = ["-d", "500ms", "--warmup", "0s", "-r", "4000"];
    let (code, record) = load(&server, "tcp", &[&enough[..], &["--slo", "p50<1ns,rps>1"]].concat());
    // A starved machine may make the measurement invalid, which says more than any SLO.
    let invalid = record["verdict"]["state"] == "INVALID";
    assert_eq!(code, if invalid { 4 } else { 3 }, "{record}");
    assert_eq!((&record["slo"]["held"], &record["slo"]["clauses"][1]["held"]), (&false.into(), &true.into()));
    let (code, record) = load(&server, "tcp", &[&enough[..], &["--slo", "p50<1000s,error<=100%"]].concat());
    assert_eq!((code == 0, &record["slo"]["held"]), (record["verdict"]["state"] != "INVALID", &true.into()));
    let target = format!("tcp://{}", server.address);
    let (_, stdout, _) = run(&[&["load", &target], &enough[..], &["--slo", "p50<1ns"]].concat());
    assert!(stdout.contains("slo breached: p50<1ns breached"), "{stdout}");
}

#[test]
fn contradictions_are_usage_errors() {
    let target = "tcp://127.0.0.1:1";
    for (arguments, words) in [
        (&["--stages", "fast"][..], &["RATE@DURATION"][..]),
        (&["--stages", "1@1s", "-r", "5"], &["--rate"]),
        (&["--heartbeat", "1s", "-r", "5"], &["--rate"]),
        (&["--heartbeat", "1s", "--pipeline", "2"], &["--pipeline"]),
        (&["--requests-per-connection", "3", "--pipeline", "2"], &["multiple"]),
        (&["--slo", "p99<5"], &["p99<5ms"]),
        (&["--slo", "p99<5ms", "--find-knee", "p99<5ms"], &["--find-knee"]),
        (&["--warmup", "soon"], &["auto"]),
        (&["--connect-rate", "0"], &["--connect-rate"]),
        (&["--engine", "kqueue"], &["io_uring"]),
    ] {
        refuses(&[&["load", target], arguments].concat(), 2, words);
    }
    refuses(&["load", "http://192.0.2.1:80/", "--i-own", "example.org"], 2, &["--i-own 192.0.2.1"]);
}
