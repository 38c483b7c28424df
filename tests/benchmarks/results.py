"""What making all results costs: ``python -m tests.benchmarks.results``.

Ten thousand invented records, those of every paper's committed configs, are written to a temporary
folder. The command ``python -m common.results`` then runs three times, each in a process of its
own: first with nothing drawn, which draws every plot of every paper; then with one record changed;
then with nothing changed. Beside the time stands that of the plain baseline, reading and parsing
the same files with the json module, which tells how fast the machine is at the moment.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common.results.records import record_files
from tests.benchmarks.synthetic import write_synthetic_records

ROOT = Path(__file__).resolve().parents[2]
PEAK = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
raise SystemExit(code)
"""


def measure(root: Path, jobs: int) -> tuple[float, float, int]:
    """Return wall seconds, processor seconds and the largest process's memory (MiB) of a call."""
    command = [sys.executable, "-m", "common.results", "--root", str(root), "--jobs", str(jobs)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *command],
        env=environment,
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    wall, after = time.perf_counter() - started, os.times()
    work = (after.children_user + after.children_system) - (
        before.children_user + before.children_system
    )
    return wall, work, int(done.stdout)


def parse_all(root: Path) -> float:
    """Return the seconds that reading and parsing all records takes by the json module."""
    started = time.perf_counter()
    for path in record_files(root / "records"):
        json.loads(path.read_bytes())
    return time.perf_counter() - started


def main() -> None:
    """Run the benchmark and print one line a call."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--count", type=int, default=10_000, help="records (default: 10000)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        count = write_synthetic_records(root, options.count)
        print(f"{count:,} records; reading and parsing them takes {parse_all(root):.1f} s")
        print(f"{'':24}{'wall s':>8}{'cpu s':>8}{'MiB':>7}{'/ parsing':>11}")
        for name in ("nothing drawn", "one record changed", "nothing changed"):
            if name == "one record changed":
                path = record_files(root / "records")[0]
                record = json.loads(path.read_bytes())
                record["metrics"]["test_accuracy"] += 1
                path.write_text(json.dumps(record))
            plain = parse_all(root)
            wall, work, memory = measure(root, options.jobs)
            print(f"{name:24}{wall:8.1f}{work:8.1f}{memory:7}{wall / plain:11.1f}", flush=True)


if __name__ == "__main__":
    main()
