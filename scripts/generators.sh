#!/usr/bin/env bash
# Installs the load generators that experiments compare with, as far as they are missing: wrk, h2load,
# hey, ab, sockperf and slowhttptest, and the server nginx, from Debian; oha from its crate, into target/tools.
# An experiment runs without any of them and says what it left out.
set -euo pipefail
cd "$(dirname "$0")/.."

oha_version=1.16.0
tools="$PWD/target/tools"

# program=package
declare -A packages=(
    [wrk]=wrk [h2load]=nghttp2-client [hey]=hey [ab]=apache2-utils [sockperf]=sockperf
    [nginx]=nginx-light [slowhttptest]=slowhttptest
)
missing=()
for program in "${!packages[@]}"; do
    command -v "$program" >/dev/null || missing+=("${packages[$program]}")
done
has_oha() { [[ "$("$tools/bin/oha" --version 2>/dev/null)" == *" $oha_version"* ]]; }
if ! has_oha; then
    # oha's TLS library is C, built by CMake even where TLS is not used.
    for program in cmake make cc; do
        command -v "$program" >/dev/null || missing+=("${program/#cc/gcc}")
    done
fi

if ((${#missing[@]} > 0)); then
    echo "installing ${missing[*]}"
    root=()
    ((EUID == 0)) || root=(sudo)
    "${root[@]}" apt-get --quiet --quiet update
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get --quiet --quiet --yes --no-install-recommends install "${missing[@]}"
fi

if ! has_oha; then
    echo "building oha $oha_version, which takes minutes"
    CARGO_TARGET_DIR="$PWD/target/oha" cargo install oha --locked --version "$oha_version" --root "$tools" --force --quiet
    rm --recursive --force "$PWD/target/oha"
fi

echo "all load generators are installed"
