#!/usr/bin/env bash
# Counts what runs of `c10m bench quick` make of their controls. The planted difference is to be found in at least nine of ten
# runs, and the twin, which is the reference under another name, to differ in at most one of twenty. Prints a table with a row
# for each run; the planted difference is what the handicap was by that run's own figures, about 5 %.
# Runs that are in DIR already are not made again, so an interrupted count goes on. Five minutes a run, on a host that does
# nothing else. Exit code 1: a number is missed.
# Usage: [C10M=PROGRAM] scripts/count-controls.sh [RUNS] [FIRST-SEED] [DIR]
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-20} first=${2:-1} directory=${3:-$(mktemp --directory)} c10m=${C10M:-target/release/c10m}
[[ -n ${C10M:-} ]] || cargo build --release --package cli --quiet

# What a report says of its controls, as fields: resolves, twin, low, high, planted, seen, low, high.
number='(-?[0-9.]+)'
fields() {
  sed --regexp-extended --quiet \
    "s/^Resolves $number %.* The twin: $number \[$number, $number\]; a planted $number % was seen as $number % \[$number, $number\]\.\$/\1 \2 \3 \4 \5 \6 \7 \8/p" "$1"
}

found=0 differs=0
printf '| seed | resolves | twin | planted | seen as |\n| ---: | ---: | ---: | ---: | ---: |\n'
for ((seed = first; seed < first + runs; seed++)); do
  compgen -G "$directory/$seed/*/report.md" >/dev/null || {
    # 4: the controls are not seen as they are, which is counted here.
    status=0 && "$c10m" bench quick --seed "$seed" --out "$directory/$seed" >/dev/null 2>&1 || status=$?
    ((status == 0 || status == 4)) || { echo "seed $seed: bench ended with $status" >&2; exit "$status"; }
  }
  read -r resolves twin low high planted seen seen_low seen_high < <(fields "$directory/$seed"/*/report.md) || {
    echo "seed $seed: the report says nothing of the twin or of the planted difference: a control was lost" >&2; exit 1
  }
  printf '| %s | %s %% | %s [%s, %s] | %s %% | %s %% [%s, %s] |\n' \
    "$seed" "$resolves" "$twin" "$low" "$high" "$planted" "$seen" "$seen_low" "$seen_high"
  found=$((found + $(awk "BEGIN { print ($seen_low > 0) }")))
  differs=$((differs + $(awk "BEGIN { print ($low > 1 || $high < 1) }")))
done
echo
echo "The planted difference was found in $found of $runs runs, and the twin differed in $differs. The reports: $directory"
((found * 10 >= runs * 9 && differs * 20 <= runs)) || exit 1
