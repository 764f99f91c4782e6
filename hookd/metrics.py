"""
What hookd counts, for Prometheus.

With PROMETHEUS_MULTIPROC_DIR in the environment before this module is imported (the server sees to it), the figures of
all HTTP processes add up; without it they are this process's own.
"""

import os
from functools import cache
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

RESERVED_BYTES = 1024 * 1024  # of each kind and process: some 8,000 figures with their labels
DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

# From 0.1 ms, what a hook costs, to 10 s, the longest deadline.
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

RUNS = Counter("hookd_runs", "Runs by site, point, outcome and reason.", ("site", "point", "outcome", "reason"))
RUN_SECONDS = Histogram(
    "hookd_run_seconds", "Seconds of a run by phase: validate, wait, hook, total.", ("phase",), buckets=SECONDS
)
WARNINGS = Counter("hookd_warnings", "Oddities in requests and replies that cost no call.", ("site", "point"))
REFUSED = Counter("hookd_refused", "Requests that are the sender's mistake, by error code.", ("code",))
TOOL_SECONDS = Histogram(
    "hookd_tool_seconds",
    "Seconds of calls to tools, by tool and outcome: ok, error, abandoned.",
    ("tool", "outcome"),
    buckets=SECONDS,
)
RELOADS = Counter("hookd_reloads", "Hook files read after a change, by what came of it.", ("site", "result"))
LOST_LINES = Counter("hookd_lost_log_lines", "Lines of the log that could not be written.")
WORKERS = Gauge("hookd_workers", "Sandbox workers by state.", ("state",), multiprocess_mode="livesum")
WAITING = Gauge("hookd_waiting_runs", "Runs that wait for a worker.", multiprocess_mode="livesum")
BROKEN = Gauge(
    "hookd_broken_hooks", "Hook files that cannot be used as they are.", ("site",), multiprocess_mode="livemax"
)


def reserve() -> None:
    """
    Have the kernel set the memory aside that this process's figures are kept in, where several processes add theirs up.

    prometheus_client would make the files sparse: whoever fills /dev/shm later had the next new figure end the process.
    Called before the first figure of this process, it finds them there, and takes them as they are.

    Raises:
        OSError: There is no room.
    """
    directory = os.environ.get(DIRECTORY_VARIABLE)
    if not directory:
        return
    for kind in ("counter", "histogram", "gauge_livesum", "gauge_livemax"):
        with (Path(directory) / f"{kind}_{os.getpid()}.db").open("a+b") as file:
            os.posix_fallocate(file.fileno(), 0, RESERVED_BYTES)


def release() -> None:
    """
    Remove the files of this process, which never served: one that fails to start is tried again and again.
    """
    for path in Path(os.environ.get(DIRECTORY_VARIABLE, "/nonexistent")).glob(f"*_{os.getpid()}.db"):
        path.unlink(missing_ok=True)


@cache
def runs(site: str, point: str, outcome: str, reason: str) -> Counter:
    """Return the counter of such runs: finding a child by its labels costs more than counting."""
    return RUNS.labels(site, point, outcome, reason)


@cache
def seconds(phase: str) -> Histogram:
    """Return the histogram of *phase*."""
    return RUN_SECONDS.labels(phase)
