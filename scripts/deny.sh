#!/usr/bin/env bash
# Advisories, licenses, bans and sources of the dependencies, by deny.toml. cargo-deny takes minutes to build, so it is
# used where it is (`cargo install cargo-deny --locked`); cli/tests/dependencies.rs checks all but advisories anywhere.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cargo-deny > /dev/null; then
    echo "cargo-deny is not installed: advisories are not checked" >&2
    exit 0
fi
cargo deny --locked check bans licenses sources

if [[ -d "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs" ]]; then
    # Offline, it takes the data as they are; then it needs the crates of all platforms here, too.
    cargo fetch --locked
    cargo deny --offline --locked check advisories
else
    echo "no advisory data here (\`cargo deny fetch\` brings it): advisories are not checked" >&2
fi
