//! House rules that a compiler does not know. Each says why in its message.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files that fit one reading; beyond this a file is probably two.
const LINES_MAX: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

fn files(directory: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() && name != "target" && !name.starts_with('.') && name != "runs" {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(&root(), "rs", &mut found);
    assert!(found.len() > 50, "the sources were not found");
    let name = |path: &Path| path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
    found.iter().map(|path| (name(path), fs::read_to_string(path).expect("UTF-8"))).collect()
}

#[test]
fn every_file_says_what_it_is_and_fits_one_reading() {
    for (name, text) in sources() {
        assert!(text.starts_with("//! "), "{name}: the first line says what the file owns");
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{name}: {lines} lines do not fit one reading");
    }
}

#[test]
fn unsafe_code_stays_where_it_belongs() {
    for (name, text) in sources() {
        let place = ["/uring/", "/uring.rs"].iter().any(|part| name.contains(part)) || name.starts_with("sys/");
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let blocks = code.filter(|line| line.contains("unsafe {") || line.contains("unsafe fn ")).count();
        if name.ends_with("tests/tidy.rs") {
            continue;
        }
        assert!(
            place || blocks == 0,
            "{name}: unsafe belongs into the crate sys, or where ring entries are filled, in uring.rs and uring/"
        );
        let reasons = text.matches("SAFETY:").count() + text.matches("# Safety").count();
        assert!(reasons >= blocks, "{name}: {blocks} unsafe places, {reasons} reasons");
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("UTF-8");
    let table = manifest.split("[workspace.dependencies]").nth(1).expect("the table");
    let table = table.split("\n[").next().expect("its end");
    for line in table.lines().filter(|line| line.contains('=') && !line.contains("path =")) {
        assert!(line.contains(" # "), "why is this dependency here? {line}");
    }
}

/// A log of somebody's build was checked in once, with the folders of his machine in it.
#[test]
fn nothing_is_checked_in_that_a_build_leaves() {
    let listed =
        Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().expect("git, as for a build");
    let listed = String::from_utf8(listed.stdout).expect("UTF-8");
    let names: Vec<&str> = listed.split('\0').filter(|name| !name.is_empty()).collect();
    assert!(names.len() > 500, "{} files are checked in", names.len());
    assert_eq!(strangers(&names), [""; 0]);
    let planted =
        ["build.log", "a/b.o", "server/src/lib.rs", "LICENSE-MIT", "core.1234", "fuzz/corpus/echo_reply/right"];
    assert_eq!(strangers(&planted), ["build.log", "a/b.o", "core.1234"]);
}

/// Files of a kind that the project does not have.
fn strangers<'a>(names: &[&'a str]) -> Vec<&'a str> {
    // conf: profiles for sysctl(8) and systemd; yml and j2: the Ansible role.
    const KINDS: [&str; 16] = [
        "rs", "toml", "lock", "md", "sh", "py", "json", "txt", "html", "svg", "zst", "hlog", "hgrm", "conf", "yml",
        "j2",
    ];
    let is_known = |name: &str| {
        let kind = Path::new(name).extension().map(|kind| kind.to_string_lossy().into_owned());
        let is_hidden = name.starts_with('.');
        is_hidden
            || name.starts_with("LICENSE-")
            || name.starts_with("fuzz/corpus/")
            || kind.is_some_and(|kind| KINDS.contains(&&*kind))
    };
    names.iter().copied().filter(|name| !is_known(name)).collect()
}

#[test]
fn nothing_is_left_to_do_in_secret() {
    for (name, text) in sources().iter().filter(|(name, _)| !name.ends_with("tests/tidy.rs")) {
        for word in ["FIXME", "XXX", "todo!", "unimplemented!", "dbg!(", "#[ignore"] {
            assert!(!text.contains(word), "{name}: {word}");
        }
    }
}

/// The part of a file that is compiled into a program, without comments; none of a file that only tests use.
fn code_of_programs(name: &str, text: &str, test_files: &[String]) -> String {
    let is_test = name.contains("/tests/") || name.ends_with("/tests.rs") || name.contains("/examples/");
    if is_test || test_files.iter().any(|stem| name == format!("{stem}.rs") || name.starts_with(&format!("{stem}/"))) {
        return String::new();
    }
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Modules declared behind `#[cfg(test)]`, as paths without `.rs`.
fn test_files(sources: &[(String, String)]) -> Vec<String> {
    let declared = sources.iter().flat_map(|(name, text)| {
        let stem = name.trim_end_matches(".rs");
        let folder =
            stem.strip_suffix("/mod").or(stem.strip_suffix("/lib")).or(stem.strip_suffix("/main")).unwrap_or(stem);
        text.split("#[cfg(test)]\n").skip(1).filter_map(move |rest| {
            let module = rest.lines().next()?.split_once("mod ")?.1.strip_suffix(';')?;
            Some(format!("{folder}/{module}"))
        })
    });
    declared.collect()
}

#[test]
fn nothing_is_printed_by_macros_that_panic() {
    let sources = sources();
    let test_files = test_files(&sources);
    for (name, text) in &sources {
        // A build script talks to cargo by its stdout.
        if name.ends_with("build.rs") {
            continue;
        }
        let code = code_of_programs(name, text, &test_files);
        for word in ["print!(", "println!("] {
            assert!(
                !code.contains(word),
                "{name}: {word} panics where its stream is closed or full; use say! or write"
            );
        }
    }
    let name = "server/src/shard/simulation.rs";
    assert!(test_files.iter().any(|stem| name.starts_with(stem)), "modules for tests are found: {test_files:?}");
}

/// A path of /proc or /sys in a file that also opens files; none if either is missing. A path that only stands in a
/// message is in words, or in a file that opens nothing.
///
/// A constant of the crate host stands for its path: `constants` as others write them, `Meminfo::PATH`. A plan names them
/// to say what cannot be read, and stays allowed as long as it opens nothing.
fn kernel_file_opened<'a>(code: &'a str, constants: &'a [String]) -> Option<&'a str> {
    let opens = [
        "fs::",
        "File::",
        "OpenOptions",
        "read_to_string(",
        "read_link(",
        "openat(",
        ".exists()",
        ".metadata()",
        ".read_dir()",
    ];
    let is_path = |text: &&str| {
        let below = text.trim_start_matches('/');
        let folder =
            ["proc/", "sys/"].iter().any(|folder| below.starts_with(folder)) || matches!(*text, "/proc" | "/sys");
        folder && !text.contains(char::is_whitespace)
    };
    // Between quotation marks every second piece is a text; what a lifted or escaped mark shifts is looked at, too.
    let named = || constants.iter().map(String::as_str).find(|constant| has_word(code, constant));
    code.split('"').find(is_path).or_else(named).filter(|_| opens.iter().any(|word| code.contains(word)))
}

/// Whether `word` stands in `code` and is no part of a longer name.
fn has_word(code: &str, word: &str) -> bool {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(word).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + word.len()..]);
        !before.ends_with(is_name) && !after.starts_with(is_name)
    })
}

/// The public constants of a file that are paths of /proc and /sys, as other crates write them.
fn kernel_paths(text: &str) -> Vec<String> {
    let mut owner = None;
    let mut found = Vec::new();
    for line in text.lines() {
        // rustfmt indents what belongs to an `impl`, and nothing else at the top of a file.
        if !line.starts_with([' ', '}']) {
            owner = line.strip_prefix("impl ").map(|rest| rest.split([' ', '<']).next().unwrap_or_default());
        }
        let Some((name, value)) =
            line.trim_start().strip_prefix("pub const ").and_then(|rest| rest.split_once(": &str"))
        else {
            continue;
        };
        if ["\"proc/", "\"/proc/", "\"sys/", "\"/sys/"].iter().any(|path| value.contains(path)) {
            found.push(owner.map_or(name.to_owned(), |owner| format!("{owner}::{name}")));
        }
    }
    found
}

#[test]
fn only_the_crate_host_opens_files_of_the_kernel() {
    let sources = sources();
    let test_files = test_files(&sources);
    let of_host = || sources.iter().filter(|(name, _)| name.starts_with("host/"));
    let constants: Vec<String> = of_host().flat_map(|(_, text)| kernel_paths(text)).collect();
    for known in ["Meminfo::PATH", "Network::RESERVED_PORTS_PATH", "LOCAL_PORT_RANGE_PATH"] {
        assert!(constants.iter().any(|constant| constant == known), "{known} is not among {constants:?}");
    }
    for (name, text) in sources.iter().filter(|(name, _)| !name.starts_with("host/")) {
        let code = code_of_programs(name, text, &test_files);
        let found = kernel_file_opened(&code, &constants);
        assert!(
            found.is_none(),
            "{name} opens {}: a reader of /proc and /sys belongs into the crate host",
            found.unwrap()
        );
    }
    assert!(of_host().any(|(_, text)| kernel_file_opened(text, &[]).is_some()));
}

#[test]
fn a_reader_of_the_kernel_s_files_is_noticed() {
    let host = "pub const RANGE_PATH: &str = \"proc/sys/net/range\";\nimpl Meminfo {\n    /// The file.\n    pub const \
                PATH: &str = \"proc/meminfo\";\n}\nimpl<'a> Other<'a> {\n    pub const NAME: &str = \"name\";\n}\n";
    let constants = kernel_paths(host);
    assert_eq!(constants, ["RANGE_PATH", "Meminfo::PATH"]);
    for (code, expected) in [
        ("fs::read_to_string(Path::new(\"/\").join(Meminfo::PATH))", Some("Meminfo::PATH")),
        ("use host::sysctl::RANGE_PATH;\nfn f() { File::open(RANGE_PATH) }", Some("RANGE_PATH")),
        ("File::open(host::sysctl::RANGE_PATH)", Some("RANGE_PATH")),
        ("(is_missing, \"memory\", Meminfo::PATH)", None),
        ("fs::read(Settings::PATH)", None),
        ("fs::read(Meminfo::PATHS), fs::read(OwnMeminfo::PATH), fs::read(LONG_RANGE_PATH)", None),
        ("fs::read_to_string(\"/proc/meminfo\")", Some("/proc/meminfo")),
        ("const P: &str = \"/sys/devices/x\";\nfn f() { File::open(P) }", Some("/sys/devices/x")),
        ("fs::read(format!(\"/proc/{pid}/stat\"))", Some("/proc/{pid}/stat")),
        ("fs::read_dir(\"/proc\")", Some("/proc")),
        ("Path::new(\"/proc/self/ns/net\").exists()", Some("/proc/self/ns/net")),
        ("fs::write(root.join(\"proc/sys/vm/swappiness\"), \"1\")", Some("proc/sys/vm/swappiness")),
        ("fs::read_to_string(\"/etc/passwd\")", None),
        ("(is_missing, \"memory\", \"/proc/meminfo\")", None),
        ("fs::read(place).context(\"/proc does not tell\")", None),
        ("fs::read(place).context(\"reading /proc/stat\")", None),
    ] {
        assert_eq!(kernel_file_opened(code, &constants), expected, "{code}");
    }
}

/// Lines with a text that has many spaces between two words: a continuation that lost its backslash, and took the
/// indentation of the next line into the text.
fn broken_continuations(code: &str) -> Vec<&str> {
    const SPACES: &str = "        ";
    let is_broken = |line: &&str| {
        let line = line.trim();
        line.match_indices(SPACES).any(|(at, _)| {
            let (before, after) = (&line[..at], &line[at..]);
            before.matches('"').count() % 2 == 1 && !before.ends_with('"') && !after.trim_start().starts_with('"')
        })
    };
    code.lines().filter(is_broken).collect()
}

#[test]
fn no_text_has_the_indentation_of_its_code_in_it() {
    let sources = sources();
    let test_files = test_files(&sources);
    for (name, text) in &sources {
        let code = code_of_programs(name, text, &test_files);
        assert_eq!(broken_continuations(&code), [""; 0], "{name}: a text with many spaces between two words");
    }
    let planted = "say(\"does                  not count\");\n    let a = 1;         // \"b\"\nlet c = \"            d\";\n\
                   (\"e\",          \"f\")\n";
    assert_eq!(broken_continuations(planted), ["say(\"does                  not count\");"]);
}

#[test]
fn what_everybody_reads_stays_short() {
    for (name, why) in [
        ("ARCHITECTURE.md", "it is for the things that seldom change"),
        ("README.md", "it is for the first five minutes; details belong into docs/"),
    ] {
        let lines = fs::read_to_string(root().join(name)).expect("it exists").lines().count();
        assert!(lines <= 150, "{name} has {lines} lines: {why}");
    }
}

/// What a document links to, but for other hosts. What stands in code is no link.
fn links(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2).flat_map(str::lines).flat_map(|line| line.split('`').step_by(2));
    let targets = prose.flat_map(|words| words.split("](").skip(1).filter_map(|rest| rest.split(')').next()));
    targets.filter(|target| !target.starts_with("https://")).collect()
}

/// The anchors of a document's headings as forges make them: small letters, digits and dashes for spaces.
fn anchors(text: &str) -> Vec<String> {
    let prose = text.split("```").step_by(2).flat_map(str::lines);
    let headings = prose.filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let is_kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | ' ');
    headings.map(|text| text.to_lowercase().chars().filter(is_kept).collect::<String>().replace(' ', "-")).collect()
}

/// Links of a document at `path` whose file or heading does not exist.
fn broken_links(path: &Path, text: &str) -> Vec<String> {
    let is_there = |target: &str| {
        let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
        let file = if file.is_empty() { path.to_owned() } else { path.with_file_name("").join(file) };
        let has = |anchor: &str| {
            fs::read_to_string(&file).is_ok_and(|text| anchors(&text).iter().any(|found| found == anchor))
        };
        file.exists() && anchor.is_none_or(has)
    };
    links(text).into_iter().filter(|target| !is_there(target)).map(str::to_owned).collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents: Vec<PathBuf> = fs::read_dir(root().join("docs"))
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|found| found == "md"))
        .collect();
    assert!(documents.len() > 4, "{documents:?}");
    let others = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"];
    documents.extend(others.map(|name| root().join(name)));
    documents.push(root().join("results/runs/README.md"));
    let of_tuning = ["GUIDE.md", "WHAT-NOT-TO-SET.md", "rules/README.md", "ansible/roles/c10m_tuning/README.md"];
    documents.extend(of_tuning.map(|name| root().join("tuning").join(name)));
    let mut count = 0;
    for path in documents {
        let text = fs::read_to_string(&path).expect("it exists");
        count += links(&text).len();
        assert_eq!(broken_links(&path, &text), [""; 0], "{}", path.display());
    }
    assert!(count > 50, "only {count} links were found");
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let text = "[a](README.md), [b](none.md) and ![c](docs/none.svg)\n`[d](code.md)` [e](https://example.org/none)\n\
                ```sh\n# [f](fence.md)\n```\n[g](README.md#exit-codes) [h](README.md#none) [i](#here)\n## Here\n";
    let path = root().join("PLANTED.md");
    assert_eq!(broken_links(&path, text), ["none.md", "docs/none.svg", "README.md#none", "#here"]);
    assert_eq!(anchors("# A: b & c\n## Who's `--x`\n```\n# no\n```\n"), ["a-b--c", "whos---x"]);
}

/// What a program is built from. What only tests use is no floor of the house.
fn dependencies(manifest: &toml::Table) -> Vec<&str> {
    let mut found = Vec::new();
    for (key, value) in manifest {
        match (key.as_str(), value.as_table()) {
            ("dependencies" | "build-dependencies", Some(table)) => found.extend(table.keys().map(String::as_str)),
            // For some targets only: one more level.
            ("target", Some(targets)) => {
                found.extend(targets.values().filter_map(toml::Value::as_table).flat_map(dependencies));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn dependencies_are_found_however_they_are_written() {
    for (text, expected) in [
        ("[dependencies]\na.workspace = true\n", &["a"][..]),
        ("[dev-dependencies]\nb = \"1\"\n[dependencies]\na = { path = \"../a\" }\n", &["a"]),
        ("[dependencies.a]\npath = \"../a\"\n[build-dependencies]\nc = \"1\"\n", &["c", "a"]),
        ("[target.'cfg(unix)'.dependencies]\na = { workspace = true }\n", &["a"]),
        ("[dev-dependencies]\nb = \"1\"\n", &[]),
    ] {
        let manifest: toml::Table = toml::from_str(text).expect("TOML");
        let mut found = dependencies(&manifest);
        found.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn arrows_between_crates_point_one_way() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("UTF-8");
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = [")).expect("the members");
    let members: Vec<String> = members.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    let mut known: Vec<&str> = Vec::new();
    for (name, allowed) in [
        ("random", &[][..]),
        ("protocol", &["random"]),
        ("tcp", &[]),
        ("sys", &[]),
        ("host", &["sys"]),
        ("results", &["random"]),
        ("server", &["random", "protocol", "sys", "host"]),
        ("loadgen", &["random", "protocol", "tcp", "sys", "host"]),
        ("tuning", &["protocol", "host"]),
        ("lab", &["random", "protocol", "sys", "host", "results", "server", "loadgen", "tuning"]),
        ("cli", &["protocol", "host", "results", "server", "loadgen", "tuning", "lab"]),
    ] {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).expect("UTF-8");
        known.push(name);
        let manifest: toml::Table = toml::from_str(&manifest).expect("TOML");
        let needed = dependencies(&manifest);
        for other in members.iter().filter(|other| !allowed.contains(&other.as_str())) {
            assert!(!needed.contains(&other.as_str()), "{name} must not depend on {other}");
        }
    }
    assert!(members.iter().all(|member| known.contains(&member.as_str())), "{members:?}: each has its arrows here");
}
