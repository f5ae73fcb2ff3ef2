//! The Ansible role on copies of hosts, played by ansible-core: it writes what the program would write, nothing in a second
//! run, and takes it back.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use tuning::change::{Draft, Local, Profile, SYSCTL_FILE, unit_file};
use tuning::knowledge::{Goal, Knowledge, Side};
use tuning::profiles;

/// A file that is read after ours, with both ways of writing a name.
const LATER_FILE: &str = "etc/sysctl.d/99-site.conf";
const LATER: &str =
    "# net.core.somaxconn = 1\nnet/core/somaxconn = 128\n-net.ipv4.tcp_retries2=5\nnet.ipv4.tcp_sack = 1\n";
/// What no role has written.
const FOREIGN: &str = "# by hand\nnet.core.somaxconn = 5\n";

fn packages(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python").join(path)
}

/// Whether there is an ansible-core. Where there has to be one (`CI` is set), it fails without.
fn is_available() -> bool {
    let mut import = Command::new(packages("bin/python3"));
    let problem = match import.args(["-c", "import ansible"]).stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    assert!(std::env::var_os("CI").is_none(), "ansible-core is needed: {problem}; run scripts/python.sh");
    eprintln!("skipped, there is no ansible-core: {problem}; run scripts/python.sh");
    false
}

/// Every file with its mode and contents, and every directory.
type Tree = BTreeMap<PathBuf, (u32, Option<String>)>;

/// Copies of hosts in a directory that goes away with the test.
struct Hosts(PathBuf);

impl Hosts {
    fn new() -> Hosts {
        // A space, so that it shows where one is not expected.
        let path = std::env::temp_dir().join(format!("tuning ansible-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Hosts(path)
    }

    /// A copy with these settings and a later file.
    fn add(&self, host: &str, settings: &[(&str, &str)]) -> PathBuf {
        let root = self.0.join(host);
        for directory in ["proc/sys", "etc/sysctl.d", "etc/systemd/system"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        for (name, value) in settings {
            set(&root, name, value);
        }
        fs::write(root.join(LATER_FILE), LATER).unwrap();
        root
    }

    fn tree(&self, host: &str) -> Tree {
        let mut tree = Tree::new();
        let mut todo = vec![self.0.join(host)];
        while let Some(path) = todo.pop() {
            let data = fs::symlink_metadata(&path).unwrap();
            if data.is_dir() {
                todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
            let contents = data.is_file().then(|| fs::read_to_string(&path).unwrap());
            tree.insert(path, (data.permissions().mode(), contents));
        }
        tree
    }

    /// Plays the example for these hosts, with their profiles and units.
    fn play(&self, hosts: &[[&str; 3]], arguments: &[&str]) -> Played {
        let python = packages("bin/python3");
        let of_host = |[host, profile, unit]: &[&str; 3]| {
            let root = self.0.join(host);
            ((*host).to_owned(), json!({ "c10m_root": root, "c10m_profile": profile, "c10m_unit": unit }))
        };
        let hosts: BTreeMap<_, _> = hosts.iter().map(of_host).collect();
        let vars =
            json!({ "ansible_connection": "local", "ansible_become": false, "ansible_python_interpreter": python });
        let (inventory, settings) = (self.0.join("inventory.json"), self.0.join("ansible.cfg"));
        fs::write(&inventory, json!({ "all": { "hosts": hosts, "vars": vars } }).to_string()).unwrap();
        fs::write(&settings, "").unwrap();
        let mut command = Command::new(python);
        command.args(["-m", "ansible.cli.playbook", "--inventory"]).arg(inventory).args(arguments);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("ansible/site.yml"));
        for (name, place) in [("HOME", "home"), ("LOCAL_TEMP", "local"), ("REMOTE_TEMP", "remote")] {
            command.env(format!("ANSIBLE_{name}"), self.0.join(place));
        }
        // Nobody's settings; and long lines stay lines.
        command.env("ANSIBLE_CONFIG", settings).env("ANSIBLE_NOCOLOR", "1").env("ANSIBLE_PIPELINING", "1");
        command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        let output = command.output().unwrap();
        let both = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        Played { code: output.status.code(), output: both.into_owned() }
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

struct Played {
    code: Option<i32>,
    output: String,
}

impl Played {
    /// Tasks of a host that changed something, and those that failed.
    fn tally(&self, host: &str) -> [u64; 2] {
        let recap = self.output.split("PLAY RECAP").nth(1).unwrap_or_else(|| panic!("{}", self.output));
        let line = recap.lines().find(|line| line.split(':').next().is_some_and(|name| name.trim() == host));
        let line = line.unwrap_or_else(|| panic!("no {host} in {}", self.output));
        ["changed=", "failed="].map(|key| {
            let count = line.split_whitespace().find_map(|word| word.strip_prefix(key));
            count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{line}"))
        })
    }

    #[track_caller]
    fn says(&self, expected: &str) {
        assert!(self.output.contains(expected), "no {expected:?} in {}", self.output);
    }

    #[track_caller]
    fn check(&self, code: i32, tallies: &[(&str, [u64; 2])]) {
        assert_eq!(self.code, Some(code), "{}", self.output);
        for (host, tally) in tallies {
            assert_eq!(self.tally(host), *tally, "{host}, changed and failed: {}", self.output);
        }
    }
}

/// Sets a value as the kernel would show it.
fn set(root: &Path, name: &str, value: &str) {
    let path = host::sysctl::path(root, name).unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, value.replace(' ', "\t") + "\n").unwrap();
}

/// What sysctl(8) would do with the role's file, for settings that are there.
fn load(root: &Path) {
    let text = text_of(root, Path::new(SYSCTL_FILE));
    for (name, value) in text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = ")) {
        let name = name.trim_start_matches('-');
        if host::sysctl::path(root, name).unwrap().exists() {
            set(root, name, value);
        }
    }
}

/// A file without the paragraph or the lines that say who wrote it.
fn body(text: &str) -> String {
    let lines = text.lines().skip_while(|line| line.starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The files that the program would write on a host, without who wrote them.
fn bodies_of_program(root: &Path, profile: &Profile) -> Vec<String> {
    let draft = Draft::new(&Local::new(root).unwrap(), profile, unit_file("nginx").as_deref());
    assert!(draft.refusals.is_empty(), "{:?}", draft.refusals);
    draft.files.iter().map(|file| body(&String::from_utf8_lossy(&file.after.bytes))).collect()
}

/// A file below the root.
fn text_of(root: &Path, file: &Path) -> String {
    fs::read_to_string(root.join(file.strip_prefix("/").unwrap())).unwrap()
}

/// A profile as its file has it, without some settings.
fn profile_file_without(name: &str, missing: &[&str]) -> String {
    let file = profiles::files(Knowledge::embedded()).into_iter().find(|file| file.name == name).unwrap();
    let text = body(&file.text);
    let paragraphs: Vec<_> = text.split("\n\n").collect();
    let kept = |text: &&&str| !missing.iter().any(|name| text.contains(&format!("\n{name} = ")));
    let text = paragraphs.iter().filter(kept).copied().collect::<Vec<_>>().join("\n\n");
    text.trim_end().to_owned() + "\n"
}

/// A server with some values that are larger than wanted, or smaller, and one whose numbers are larger only in part.
const FULL: [(&str, &str); 9] = [
    ("fs.nr_open", "1048576"),
    ("net.ipv4.tcp_mem", "9000000 9000001 9"),
    ("net.ipv4.tcp_max_orphans", "16384"),
    ("net.core.somaxconn", "65535"),
    ("net.ipv4.tcp_syncookies", "2"),
    ("net.ipv4.tcp_retries2", "6"),
    ("net.core.netdev_max_backlog", "1000"),
    ("net.netfilter.nf_conntrack_max", "18446744073709551615"),
    ("net.netfilter.nf_conntrack_buckets", "65536"),
];

/// A client without connection tracking, and without a queue.
const BARE: [(&str, &str); 3] =
    [("fs.nr_open", "1048576"), ("net.ipv4.tcp_mem", "100 200 300"), ("net.ipv4.ip_local_port_range", "32768 60999")];

#[test]
fn a_role_writes_what_the_program_would_write() {
    if !is_available() {
        return;
    }
    let hosts = Hosts::new();
    let (full, bare) = (hosts.add("full", &FULL), hosts.add("bare", &BARE));
    let foreign = hosts.add("foreign", &BARE);
    fs::write(foreign.join(&SYSCTL_FILE[1..]), FOREIGN).unwrap();
    hosts.add("unknown", &[]);
    let names = ["full", "bare", "foreign", "unknown"];
    let trees = || names.map(|name| hosts.tree(name));
    // Each task of each host is a process: only those play that can show something.
    let of_full = ["full", "c10m-server", "nginx"];
    let of_bare = ["bare", "c10m-client", ""];
    let of_foreign = ["foreign", "c1m-client", ""];
    let of_unknown = ["unknown", "c2m", ""];
    let before = trees();
    let sysctl_file = Path::new(SYSCTL_FILE);
    let server = profiles::profile_of(Knowledge::embedded(), Goal::C10m, Side::Server);
    let expected = bodies_of_program(&full, &server);

    let dry = hosts.play(&[of_full, of_unknown], &["--check", "--diff"]);
    dry.check(2, &[("full", [3, 0]), ("unknown", [0, 1])]);
    assert_eq!(trees(), before, "a dry run writes nothing");
    dry.says("+net.core.somaxconn = 65535");
    dry.says(
        "There is no profile \\\"c2m\\\": c10m_profile is one of c10k-client, c10k-server, c10m-client, c10m-server, ",
    );

    let first = hosts.play(&[of_full, of_bare, of_foreign], &[]);
    first.check(2, &[("full", [3, 0]), ("bare", [1, 0]), ("foreign", [0, 1])]);
    first.says("/etc/sysctl.d/90-c10m.conf: this role did not write it");
    first.says("left out: net.core.netdev_max_backlog\"");
    first.says("count more: net.core.somaxconn (/etc/sysctl.d/99-site.conf), net.ipv4.tcp_retries2 (/etc/sysctl.d/99-site.conf)\"");
    let written = [sysctl_file, &unit_file("nginx").unwrap()].map(|file| text_of(&full, file));
    assert_eq!(written.iter().map(|text| body(text)).collect::<Vec<_>>(), expected);
    for (text, start) in written.iter().zip(["\n# one table", "[Service]"]) {
        let head = "# Settings for c10m, server. Written by the Ansible role c10m_tuning; with `c10m_state: absent` it removes \
                    this\n# file.\n";
        assert!(text.strip_prefix(head).is_some_and(|rest| rest.starts_with(start)), "{text}");
    }
    for line in
        ["net.ipv4.tcp_mem = 9000000 9000001 8388608", "net.core.somaxconn = 65535", "net.ipv4.tcp_retries2 = 6"]
    {
        assert!(written[0].contains(&format!("\n{line}\n")), "{line}: {}", written[0]);
    }
    let expected = profile_file_without("c10m-client.sysctl.conf", &["net.core.netdev_max_backlog"]);
    assert_eq!(body(&text_of(&bare, sysctl_file)), expected);
    assert!(expected.contains("\n-net.netfilter.nf_conntrack_max = "), "{expected}");
    assert_eq!([hosts.tree("foreign"), hosts.tree("unknown")], before[2..]);

    load(&full);
    let loaded = trees();
    let second = hosts.play(&[of_full], &[]);
    second.check(0, &[("full", [0, 0])]);
    assert_eq!(trees(), loaded, "a second run changes nothing");

    let last = hosts.play(&[of_full, of_foreign], &["--extra-vars", "c10m_state=absent"]);
    last.check(0, &[("full", [3, 0]), ("foreign", [0, 0])]);
    last.says("This role did not write these, so they stay: /etc/sysctl.d/90-c10m.conf\"");
    FULL.iter().for_each(|(name, value)| set(&full, name, value));
    assert_eq!([hosts.tree("full"), hosts.tree("foreign")], [before[0].clone(), before[2].clone()], "all is as it was");
}

/// The role breaks lines as the program does: for each reason in the profiles, Jinja's lines stand in the profile's file.
#[test]
fn comments_have_the_same_lines() {
    if !is_available() {
        return;
    }
    let role = Path::new(env!("CARGO_MANIFEST_DIR")).join("ansible/roles/c10m_tuning");
    let program = "import json, sys, jinja2\n\
                   template = open(sys.argv[1] + '/templates/comment.j2').read()\n\
                   comment = jinja2.Environment(trim_blocks=True).from_string(template).make_module(\n\
                   {'c10m_tuning_comment_width': int(sys.argv[2])}).comment\n\
                   profiles = json.load(open(sys.argv[1] + '/vars/profiles.json'))\n\
                   print(json.dumps({name: [comment(each['because']) for each in profile['settings']]\n\
                   for name, profile in profiles.items()}))";
    let vars = fs::read_to_string(role.join("vars/main.yml")).unwrap();
    let width = vars.lines().find_map(|line| line.strip_prefix("c10m_tuning_comment_width: ")).unwrap();
    let output = Command::new(packages("bin/python3")).args(["-c", program]).arg(&role).arg(width).output().unwrap();
    let comments: BTreeMap<String, Vec<String>> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let files: BTreeMap<_, _> =
        profiles::files(Knowledge::embedded()).into_iter().map(|file| (file.name, file.text)).collect();
    for (name, comments) in &comments {
        for comment in comments {
            let text = &files[&format!("{name}.sysctl.conf")];
            assert!(text.contains(&format!("\n\n{comment}")), "{name}: {comment:?} is not in {text}");
        }
    }
    assert!(comments.values().flatten().any(|comment| comment.lines().count() > 1), "one is long: {comments:?}");
}
