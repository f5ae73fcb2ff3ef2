#!/usr/bin/env bash
# strace(1), with which tests let system calls of a server fail. Does nothing when it is there already.
set -euo pipefail

if command -v strace > /dev/null; then
    exit 0
fi
if [[ $EUID -eq 0 ]] && command -v apt-get > /dev/null; then
    apt-get update --quiet=2
    apt-get install --quiet=2 --yes strace
    exit 0
fi
echo "strace is needed (Debian: apt-get install strace)" >&2
exit 1
