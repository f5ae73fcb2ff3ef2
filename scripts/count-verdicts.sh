#!/usr/bin/env bash
# Counts how many of 20 runs of `c10m load` condemn themselves: INVALID is for what must not be used, so on an idle host
# at most two should be. Takes two minutes, and needs jq. Run it on a host that does nothing else.
# Usage: scripts/count-verdicts.sh [RUNS]
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-20}
invalid_max=$((runs / 10))
c10m=target/release/c10m
cargo build --release --package cli --quiet
port=$((20000 + RANDOM % 10000))
"$c10m" null-server echo --listen "127.0.0.1:$port" --for 1h >/dev/null &
server=$!
trap 'kill "$server"' EXIT
sleep 0.5
invalid=0
for ((run = 1; run <= runs; run++)); do
  code=0
  record=$("$c10m" load "tcp://127.0.0.1:$port" --connections 50 --rate 5000 --duration 4s --json) || code=$?
  case $code in
    0) ;;
    4) invalid=$((invalid + 1)) ;;
    *) exit "$code" ;;
  esac
  jq --raw-output --arg run "$run" \
    '"\($run): \(.verdict.state) \([.verdict.checks[] | select(.state == "INVALID" or .state == "WARN") | "\(.id) \(.state) \(.value)"] | join("; "))"' \
    <<<"$record"
done
echo "$invalid of $runs INVALID; at most $invalid_max are meant to be"
((invalid <= invalid_max))
