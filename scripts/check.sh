#!/usr/bin/env bash
# The gate: format, lints, tests, documentation. CI runs this file and nothing else.
# A fresh machine needs only the Rust toolchain; what the tests use beyond it is installed here.
set -euo pipefail
cd "$(dirname "$0")/.."

# Where rustup has the pinned compiler under another name only, that is used, and said.
pinned="$(sed --quiet 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)"
if command -v rustup > /dev/null && ! rustup which cargo > /dev/null 2>&1; then
    export RUSTUP_TOOLCHAIN=stable
    echo "no toolchain $pinned here: using stable" >&2
fi
if [[ "$(rustc --version)" != "rustc $pinned "* ]]; then
    # An older one cargo refuses (rust-version); a newer one has more lints.
    echo "rust-toolchain.toml names $pinned, this is $(rustc --version)" >&2
fi

# A gate compiles each crate once: what makes a second compilation faster would only fill the disk.
export CARGO_INCREMENTAL="${CARGO_INCREMENTAL:-0}"

step() { printf '\n== %s (after %d s)\n' "$*" "$SECONDS"; }

step "format"
cargo fmt --all --check

step "lints"
cargo clippy --workspace --all-targets --locked -- --deny warnings

step "dependencies"
scripts/deny.sh

step "what the tests need"
scripts/python.sh
scripts/strace.sh

step "tests"
scripts/tests.py

step "10,000 and 100,000 connections"
scripts/c10m.sh

step "fuzzing, a few seconds for each parser"
scripts/fuzz.sh 5

step "documentation"
RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --locked --document-private-items

step "all is well"
