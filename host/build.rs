//! Tells the crate which compiler builds it and for which target, so that records can name both.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC");
    let compiler = env::var_os("RUSTC").expect("cargo sets RUSTC for build scripts");
    let output = Command::new(compiler).arg("--version").output().expect("the compiler runs");
    let version = String::from_utf8(output.stdout).expect("the compiler's version is UTF-8");
    println!("cargo::rustc-env=HOST_RUSTC={}", version.trim());
    println!("cargo::rustc-env=HOST_TARGET={}", env::var("TARGET").expect("cargo sets TARGET for build scripts"));
}
