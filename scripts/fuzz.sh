#!/usr/bin/env bash
# Fuzzes the parsers: scripts/fuzz.sh [SECONDS], for each target, 20 by default.
# A crash fails the script and leaves its input in fuzz/artifacts/; give that file to the target as its
# only argument to see the crash again. Needs no nightly compiler: the instrumentation is a pass of LLVM
# that stable rustc has, and libFuzzer is compiled from its crate, for which a C++ compiler is needed.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

seconds="${1:-20}"
targets=(http_reply http_request echo_reply)

if ! command -v c++ >/dev/null && ! command -v g++ >/dev/null; then
    apt-get update && apt-get install --yes --no-install-recommends g++
fi

# With --target these flags reach the targets and not the build scripts, which would not link with them.
host="$(rustc --print host-tuple)"
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares"
cargo build --release --locked --target "$host"

# What libFuzzer finds worth keeping goes to the first directory; the checked-in seeds are only read.
found="$(mktemp --directory)"
trap 'rm --recursive --force "$found"' EXIT
mkdir --parents artifacts

status=0
for target in "${targets[@]}"; do
    printf '\n== %s, %s s\n' "$target" "$seconds"
    mkdir "$found/$target"
    log="$found/$target.log"
    if "target/$host/release/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
        -artifact_prefix="artifacts/$target-" -print_final_stats=1 -max_len=8192 \
        "$found/$target" "corpus/$target" 2>"$log"; then
        grep '^stat::' "$log"
    else
        status=1
        tail --lines=60 "$log"
    fi
done
exit "$status"
