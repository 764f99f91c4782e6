"""
`python -m benchmarks.jobs`: what it costs to promise a job, at a steady rate, without a consumer and beside a busy one.

Exit codes: 0 fine; 1 the consumer did not start.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hookd.consumer import lock
from hookd.jobs import Jobs

START_S = 30.0
JOB = "def work(job):\n    return None\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs", description="what it costs to promise a job")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement (10)")
    parser.add_argument("--rate", type=float, default=200.0, help="jobs a second (200)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="hookd-benchmark-") as folder:
        directory = Path(folder)
        (directory / "hooks" / "jobs").mkdir(parents=True)
        (directory / "hooks" / "jobs" / "work.py").write_text(JOB, "utf-8")
        config = directory / "hookd.toml"
        config.write_text("", "utf-8")
        alone = enqueue(directory / "alone", options.seconds, options.rate)
        process = subprocess.Popen(
            [sys.executable, "-m", "hookd", "consume", "--config", str(config)], stderr=subprocess.DEVNULL
        )
        try:
            if not _is_up(directory / "var"):
                print("the consumer did not start", file=sys.stderr)
                return 1
            beside = enqueue(directory / "var", options.seconds, options.rate)
        finally:
            process.terminate()
            process.wait()
    for name, times in (("without a consumer", alone), ("beside a busy consumer", beside)):
        print(f"enqueue at {options.rate:g}/s {name:<24} p50 {_at(times, 50):6.2f} ms  p99 {_at(times, 99):6.2f} ms")
    print(f"what the consumer adds at p99 {_at(beside, 99) - _at(alone, 99):+.2f} ms")
    return 0


def enqueue(state: Path, seconds: float, rate: float) -> list[float]:
    """
    Return the milliseconds that each of the jobs took to be on the disk.
    """
    jobs, times = Jobs(state), []
    begin = time.monotonic()
    for number in range(int(seconds * rate)):
        time.sleep(max(0.0, begin + number / rate - time.monotonic()))
        started = time.monotonic()
        jobs.enqueue("default", "work", {"number": number})
        times.append((time.monotonic() - started) * 1000)
    jobs.close()
    return times


def _is_up(state: Path) -> bool:
    end = time.monotonic() + START_S
    while not lock.is_held(state):
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _at(times: list[float], percent: int) -> float:
    return sorted(times)[len(times) * percent // 100]


if __name__ == "__main__":
    sys.exit(main())
