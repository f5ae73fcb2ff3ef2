#!/usr/bin/env bash
# Installs the servers that experiments compare with, as far as they are missing: nginx, h2o, haproxy and
# lighttpd from Debian; those on other Rust libraries from peers/, into target/peers. What cannot be had is
# named, and an experiment runs without it and says so. The gate does not run this: it takes minutes once.
set -euo pipefail
cd "$(dirname "$0")/.."

# program=package
declare -A packages=([nginx]=nginx-light [h2o]=h2o [haproxy]=haproxy [lighttpd]=lighttpd)
# Debian keeps servers in /usr/sbin, which is not in everybody's PATH.
PATH="$PATH:/usr/sbin"
missing=()
for program in "${!packages[@]}"; do
    command -v "$program" >/dev/null || missing+=("${packages[$program]}")
done
unavailable=()
if ((${#missing[@]} > 0)); then
    echo "installing ${missing[*]}"
    root=()
    ((EUID == 0)) || root=(sudo)
    "${root[@]}" apt-get --quiet --quiet update
    # One after the other: a distribution that lacks one of them may have the rest.
    for package in "${missing[@]}"; do
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get --quiet --quiet --yes --no-install-recommends install "$package" || unavailable+=("$package")
    done
    echo "Debian may have started them as services: systemctl disable --now ${missing[*]/nginx-light/nginx}"
fi

# Each program alone: built together, every library would get the features that any of them asks for.
export CARGO_TARGET_DIR="$PWD/target/peers"
for peer in hyper actix-web may_minihttp ntex tokio monoio compio glommio ringline; do
    [[ -x "target/peers/release/peer-$peer" ]] || echo "building peer-$peer"
    if ! nice --adjustment=10 cargo build --manifest-path peers/Cargo.toml --release --locked --quiet \
        --features "$peer" --bin "peer-$peer"; then
        rm --force "target/peers/release/peer-$peer"
        unavailable+=("peer-$peer")
    fi
done

if ((${#unavailable[@]} > 0)); then
    echo "not available here: ${unavailable[*]}" >&2
    exit 1
fi
echo "all peers are there"
