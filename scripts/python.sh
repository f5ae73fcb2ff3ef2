#!/usr/bin/env bash
# Python packages for the tests in which other programs read our files: target/python/bin/python3.
# Does nothing when they are there already.
set -euo pipefail
cd "$(dirname "$0")/.."

python="$PWD/target/python"
requirements=scripts/requirements.txt
if cmp --silent "$requirements" "$python/requirements.txt"; then
    exit 0
fi

install() { "$@" --quiet --disable-pip-version-check --requirement "$requirements"; }

make_venv() {
    rm --recursive --force "$python"
    python3 -m venv "$python" && install "$python/bin/python3" -m pip install
}

# Debian's python3 comes without venv. Where there is pip at least, a directory of packages does as well.
make_directory() {
    rm --recursive --force "$python"
    python3 -m pip --version && install python3 -m pip install --target "$python/packages" || return 1
    mkdir "$python/bin"
    printf '#!/bin/sh\nPYTHONPATH=%q exec python3 "$@"\n' "$python/packages" > "$python/bin/python3"
    chmod +x "$python/bin/python3"
}

install_venv() {
    [[ $EUID -eq 0 ]] && command -v apt-get > /dev/null || return 1
    apt-get update --quiet=2 && apt-get install --quiet=2 --yes python3-venv
}

if ! make_venv && ! make_directory && ! { install_venv && make_venv; }; then
    echo "python3 with venv is needed (Debian: apt-get install python3-venv)" >&2
    exit 1
fi
cp "$requirements" "$python/requirements.txt"
