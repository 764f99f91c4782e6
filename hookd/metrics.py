"""
What hookd counts, for Prometheus.

Where `figure_files` made a directory before this module is imported (the server sees to it), the figures of all HTTP
processes add up; otherwise they are this process's own.
"""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

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
JOBS = Gauge("hookd_jobs", "Jobs by state, when the figures were read.", ("state",), multiprocess_mode="livemostrecent")
LOST_JOBS = Counter(
    "hookd_lost_jobs", "Jobs and events that were not taken, by site, kind and why.", ("site", "kind", "reason")
)
RELOADS = Counter("hookd_reloads", "Hook files read after a change, by what came of it.", ("site", "result"))
LOST_RUNS = Counter("hookd_lost_runs", "Runs that the journal did not keep, by why.", ("reason",))
EVENTS = Gauge(
    "hookd_events", "Events by state, when the figures were read.", ("state",), multiprocess_mode="livemostrecent"
)
LOST_LINES = Counter("hookd_lost_log_lines", "Lines of the log that could not be written.")
WORKERS = Gauge("hookd_workers", "Sandbox workers by state.", ("state",), multiprocess_mode="livesum")
WAITING = Gauge("hookd_waiting_runs", "Runs that wait for a worker.", multiprocess_mode="livesum")
# Not the least of all: the process that forks the others has a 0 here.
ISOLATION = Gauge(
    "hookd_isolation_level", "What keeps the workers in: 0 to 4, see L0 to L4.", multiprocess_mode="livemostrecent"
)
PAUSED = Gauge(
    "hookd_paused_hooks", "Hooks that the breaker keeps from running.", ("site",), multiprocess_mode="livemax"
)
QUARANTINED = Gauge(
    "hookd_quarantined_hooks", "Versions of hooks in quarantine.", ("site",), multiprocess_mode="livemax"
)
BROKEN = Gauge(
    "hookd_broken_hooks", "Hook files that cannot be used as they are.", ("site",), multiprocess_mode="livemax"
)


@cache
def runs(site: str, point: str, outcome: str, reason: str) -> Counter:
    """Return the counter of such runs: finding a child by its labels costs more than counting."""
    return RUNS.labels(site, point, outcome, reason)


@cache
def seconds(phase: str) -> Histogram:
    """Return the histogram of *phase*."""
    return RUN_SECONDS.labels(phase)
