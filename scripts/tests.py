#!/usr/bin/env python3
"""Runs the tests of the workspace, several test programs at a time: most of them wait for timers and peers, not for the CPU,
and `cargo test` runs one program after the other. What a program prints is shown when it has ended. Exit code 1: a test failed.

Usage: scripts/tests.py [TEST-PROGRAM-ARGUMENTS…], for example `scripts/tests.py turns` for tests with that in their names.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CARGO = ["cargo", "test", "--workspace", "--locked"]
# Programs at a time, for each of which RUST_TEST_THREADS says how many of its tests run at a time.
PROGRAMS = 3
# Those that take longest come first, so that the last of them does not run alone.
LONG = ["cli", "conformance", "self_test", "lab", "results", "ansible"]


def programs():
    """Builds the test programs; yields name, path and the package's directory."""
    build = [*CARGO, "--no-run", "--message-format=json-render-diagnostics"]
    built = subprocess.run(build, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        sys.exit(built.returncode)
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and message["profile"]["test"] and message["executable"]:
            yield message["target"]["name"], message["executable"], Path(message["manifest_path"]).parent


def run(name, program, directory):
    """Runs one program where cargo would run it; returns its name, exit code, seconds and output."""
    begun = time.monotonic()
    with tempfile.TemporaryFile() as output:
        environment = {"RUST_TEST_THREADS": "8", **os.environ, "CARGO_MANIFEST_DIR": str(directory)}
        code = subprocess.run(
            [program, *sys.argv[1:]], cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ).returncode
        output.seek(0)
        return name, code, time.monotonic() - begun, output.read().decode(errors="replace")


def main():
    found = sorted(programs(), key=lambda each: (LONG.index(each[0]) if each[0] in LONG else len(LONG), each[1]))
    if not found:
        sys.exit("cargo named no test program")
    failed = []
    with ThreadPoolExecutor(PROGRAMS) as pool:
        for done in as_completed([pool.submit(run, *each) for each in found]):
            name, code, seconds, output = done.result()
            print(f"\n-- {name}, {seconds:.0f} s, exit code {code}\n{output.rstrip()}", flush=True)
            if code != 0:
                failed.append(name)
    # Examples in documentation are no programs of their own.
    if subprocess.run([*CARGO, "--doc"], cwd=ROOT).returncode != 0:
        failed.append("examples in documentation")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
