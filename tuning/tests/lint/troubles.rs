//! Files that are not what they should be: none is dropped in silence, and none stops the others.

use std::process::Command;

use tuning::lint::{MistakeKind, Standing};

use super::made::{KERNEL, Root, place, places, winner};

/// Places of files and of directories with files.
const FILES: [&str; 12] = [
    "etc/sysctl.conf",
    "etc/sysctl.d/50-a.conf",
    "etc/security/limits.conf",
    "etc/security/limits.d/50-a.conf",
    "etc/systemd/system.conf",
    "etc/systemd/user.conf.d/50-a.conf",
    "etc/systemd/system/a.service",
    "etc/systemd/system/a.service.d/50-a.conf",
    "etc/docker/daemon.json",
    "etc/containers/containers.conf",
    "etc/containers/systemd/a.container",
    "etc/modules-load.d/a.conf",
];
const OTHER: (&str, &str) = ("etc/sysctl.d/60-b.conf", "net.core.somaxconn = 5000\n");

#[test]
fn a_pipe_and_a_circle_of_links_are_told() {
    for file in FILES {
        let root = Root::new(KERNEL);
        root.write(OTHER.0, OTHER.1.as_bytes());
        root.write(file, b"x");
        std::fs::remove_file(root.0.join(file)).unwrap();
        let made = Command::new("mkfifo").arg(root.0.join(file)).status().unwrap();
        assert!(made.success());
        let lint = root.lint(&place());
        assert_eq!(places(&lint, MistakeKind::NotAFile), [format!("/{file}:0")], "{file}");
        assert_eq!(winner(&lint, "net.core.somaxconn"), "5000");

        let name = file.rsplit('/').next().unwrap();
        root.write(file, format!("-> {name}").as_bytes());
        let lint = root.lint(&place());
        assert_eq!(places(&lint, MistakeKind::LinkLoop), [format!("/{file}:0")], "{file}");

        root.write(file, b"-> /no/such/file");
        let lint = root.lint(&place());
        assert_eq!(places(&lint, MistakeKind::DanglingLink), [format!("/{file}:0")], "{file}");
    }
}

#[test]
fn a_file_in_the_place_of_a_directory_is_told() {
    for directory in ["etc/sysctl.d", "etc/security/limits.d", "etc/systemd/system", "etc/containers/systemd"] {
        let root = Root::new(KERNEL);
        root.write(directory, b"net.core.somaxconn = 5000\n");
        let lint = root.lint(&place());
        assert_eq!(places(&lint, MistakeKind::NotAFile), [format!("/{directory}:0")]);
    }
}

#[test]
fn a_directory_in_the_place_of_a_file_is_told() {
    let root = Root::new(KERNEL);
    root.write("etc/sysctl.d/50-a.conf/inner", b"x");
    root.write(OTHER.0, OTHER.1.as_bytes());
    let lint = root.lint(&place());
    assert_eq!(places(&lint, MistakeKind::NotAFile), ["/etc/sysctl.d/50-a.conf:0"]);
    let file = lint.files.iter().find(|file| file.path == "/etc/sysctl.d/50-a.conf").unwrap();
    assert_eq!(file.standing, Standing::Trouble);
    assert_eq!(winner(&lint, "net.core.somaxconn"), "5000");
}

#[test]
fn links_do_not_lead_out_of_the_root() {
    let root = Root::new(KERNEL);
    let outside = Root::new(&[("secret.conf", "vm.swappiness = 1\n")]);
    let target = outside.0.join("secret.conf");
    root.write("etc/sysctl.d/50-a.conf", format!("-> {}", target.display()).as_bytes());
    root.write("etc/sysctl.d/51-a.conf", format!("-> ../../../../../..{}", target.display()).as_bytes());
    let lint = root.lint(&place());
    assert!(lint.values.is_empty(), "{:?}", lint.values);
    let expected = ["/etc/sysctl.d/50-a.conf:0", "/etc/sysctl.d/51-a.conf:0"];
    assert_eq!(places(&lint, MistakeKind::DanglingLink), expected);
    let json = serde_json::to_string(&lint).unwrap();
    assert!(!json.contains(root.0.to_str().unwrap()), "the root is in {json}");
}

#[test]
fn bytes_that_are_no_text_spoil_their_line_only() {
    let root = Root::new(KERNEL);
    root.write("etc/sysctl.d/50-a.conf", b"# caf\xe9\nnet.core.somaxconn = 5000\n\xff\xfe\n");
    let lint = root.lint(&place());
    assert_eq!(winner(&lint, "net.core.somaxconn"), "5000");
    assert_eq!(places(&lint, MistakeKind::NotUtf8), ["/etc/sysctl.d/50-a.conf:0"]);
    assert_eq!(places(&lint, MistakeKind::NoAssignment), ["/etc/sysctl.d/50-a.conf:3"]);
}

#[test]
fn a_file_that_this_user_may_not_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let root = Root::new(KERNEL);
    root.write(OTHER.0, OTHER.1.as_bytes());
    let file = root.0.join(OTHER.0);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::File::open(&file).is_ok() {
        println!("skipped: root may read every file");
        return;
    }
    let lint = root.lint(&place());
    assert_eq!(places(&lint, MistakeKind::Unreadable), [format!("/{}:0", OTHER.0)]);
}
