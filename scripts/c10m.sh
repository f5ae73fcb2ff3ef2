#!/usr/bin/env bash
# Holds 10,000 and 100,000 connections with the build of the tests: over loopback on epoll and io_uring, and behind a TUN
# device. Fails unless every one was established, answered its heartbeat and was gone at the end. Needs
# CAP_SYS_ADMIN and 2 GiB of memory; the times it prints are those of a debug build and mean nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
cargo build --locked --quiet
"${CARGO_TARGET_DIR:-target}/debug/c10m" bench c10m --profile quick --noisy --fresh --out "$out"
