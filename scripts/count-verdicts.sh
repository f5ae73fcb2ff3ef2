#!/usr/bin/env bash
# Counts how runs of `c10m load` judge themselves. On a host that does nothing else:
#   open    50 connections, 5,000 requests/s, 4 s, against `c10m serve`: at most one run in ten is INVALID
#   pinned  one connection, server and worker on a CPU each, 3 s: at least nine runs in ten are VALID
#   hogged  the same with a busy loop on the worker's CPU: none is VALID
# Runs from which the hypervisor took time are made again, up to three times as many as count. Exit code 1: a number is
# missed; 4: the host was disturbed, so the counts say nothing. NOISY=1 counts all the same. Needs jq, CPUs 0 and 1, 4 to 8 min.
# Usage: [C10M=PROGRAM] [NOISY=1] scripts/count-verdicts.sh [RUNS]
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-20} few=$(((${1:-20} + 1) / 2)) c10m=${C10M:-target/release/c10m} code=0 children=() directory=$(mktemp --directory)
trap 'kill "${children[@]}" 2>/dev/null || true; wait; rm --recursive "$directory"' EXIT
[[ -n ${C10M:-} ]] || cargo build --release --package cli --quiet

disturbed() {
  echo "the host is disturbed: $1" >&2
  [[ -n ${NOISY:-} ]] || exit 4
}

# serve ARGUMENTS…: starts a server and sets `target`.
serve() {
  local ready=$directory/${#children[@]}
  "$c10m" serve echo --listen 127.0.0.1:0 --json "$@" >"$ready" &
  children+=("$!")
  until [[ -s $ready ]]; do kill -0 "$!" && sleep 0.1; done
  target=tcp://$(head --lines=1 "$ready" | jq --raw-output .address)
}

# count NAME STATES RUNS_MIN RUNS ARGUMENTS…: so many of the runs are to end in one of the states.
count() {
  local name=$1 states=$2 runs_min=$3 wanted=$4 counted=0 right=0 again=0 status record stolen
  shift 4
  while ((counted < wanted)); do
    status=0 && record=$("$c10m" load "$target" --json --quiet "$@") || status=$?
    ((status == 0 || status == 4)) || exit "$status"
    stolen=$(jq '[.kernel.cpus[].steal_us] | add / 1000 | ceil' <<<"$record")
    if ((stolen > 0)) && [[ -z ${NOISY:-} ]]; then
      ((++again <= 3 * wanted)) || disturbed "the hypervisor took time from $again runs, $stolen ms from the last"; continue
    fi
    counted=$((counted + 1))
    [[ " $states " != *" $(jq --raw-output .verdict.state <<<"$record") "* ]] || right=$((right + 1))
    jq --raw-output --arg run "$name $counted" '"\($run): \(.verdict.state) \([.verdict.checks[]
      | select(.state == "INVALID" or .state == "WARN") | "\(.id) \(.state) \(.value)"] | join("; "))"' <<<"$record"
  done
  echo "$name: $right of $wanted runs are ${states// / or }; at least $runs_min should be. Disturbed and made again: $again"
  ((right >= runs_min)) || code=1
}

# Tasks waited for a CPU in so much of the last ten seconds (Documentation/accounting/psi.rst).
waited() { sed --quiet 's/^some avg10=\([0-9]*\).*/\1/p' /proc/pressure/cpu; }
for _ in 1 2 3 4 5 6; do (($(waited) < 5)) || sleep 5; done
(($(waited) < 5)) || disturbed "tasks waited for a CPU in $(waited) % of the last 10 s (/proc/pressure/cpu); 5 % is too much"
serve
count open "VALID WARN" $((runs - runs / 10)) "$runs" --connections 50 --rate 5000 --duration 4s
serve --cpus 0
count pinned VALID $((few - few / 10)) "$few" --connections 1 --threads 1 --cpus 1 --duration 3s
taskset --cpu-list 1 bash -c 'while :; do :; done' &
children+=("$!")
count hogged "WARN INVALID" "$few" "$few" --connections 1 --threads 1 --cpus 1 --duration 3s
exit "$code"
