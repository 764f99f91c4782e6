"""
The load generator: one round of wrk with post.lua, and what it counted.

wrk measures from a request's first byte written to its reply's last byte read; a new connection's time is in the
requests a second, not in the latency. Its percentiles are corrected for the requests that a stall kept it from
sending, so a stall shows in p99. A request that is never answered counts as no error; it shows in the requests a
second, for its connection asks no more.
"""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

SCRIPT = Path(__file__).with_name("post.lua")
THREADS = 1  # more would take the peers' cores from them, and post.lua counts for one
GRACE_S = 30.0  # over the round's own time; wrk ends by itself within milliseconds


class Load(NamedTuple):
    """How a peer is asked: on connections that stay, or on a new one for each request, and on how many at once."""

    is_keep_alive: bool
    connections: int

    def __str__(self) -> str:
        noun = "connection" if self.connections == 1 else "connections"
        return f"{'keep-alive' if self.is_keep_alive else 'no keep-alive'}, {self.connections} {noun}"


@dataclass(frozen=True, slots=True)
class Round:
    """
    What one run of wrk counted.

    Attributes:
        requests_per_s: Replies a second, wrong ones included.
        p50_ms: Half of the replies took no longer.
        p99_ms: Of a hundred replies ninety-nine took no longer.
        errors: How many of each kind, without those that did not occur: connect, read, write, timeout (2 s),
            status (400 and more), wrong (another body than the hook's reply).
    """

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    errors: Mapping[str, int]


class WrkError(Exception):
    """wrk did not do its round; with its own words."""


@dataclass(frozen=True, slots=True)
class Wrk:
    """
    wrk, with the files that it sends and compares with.

    Attributes:
        program: Its path.
        body: The file with the request.
    """

    program: str
    body: Path

    def measure(self, url: str, reply: Path, load: Load, *, seconds: int) -> Round:
        """
        Ask the URL for that many seconds.

        Args:
            url: Where the peer answers.
            reply: The file with the peer's right reply, byte for byte.
            load: Connections.
            seconds: Length of the round.

        Raises:
            WrkError: wrk failed, or printed something else than post.lua does.
        """
        options = (f"--threads={THREADS}", f"--connections={load.connections}", f"--duration={seconds}s")
        mode = "keep-alive" if load.is_keep_alive else "close"
        argv = (self.program, *options, "--script", SCRIPT, url, "--", self.body, reply, mode)
        try:
            process = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + GRACE_S, check=True)
        except subprocess.CalledProcessError as error:
            raise WrkError(f"wrk ended with {error.returncode}: {(error.stderr or error.stdout).strip()}") from error
        except subprocess.TimeoutExpired as error:
            raise WrkError(f"wrk did not end within {error.timeout:.0f} s") from error
        return parse(process.stdout)


def parse(output: str) -> Round:
    """
    Return the round that post.lua printed as the last line, after wrk's own lines.

    Raises:
        WrkError: There is no such line.
    """
    try:
        counted = json.loads(output.splitlines()[-1])
        return Round(
            requests_per_s=counted["requests"] / (counted["duration_us"] / 1e6),
            p50_ms=counted["p50_us"] / 1e3,
            p99_ms=counted["p99_us"] / 1e3,
            errors={kind: count for kind, count in counted["errors"].items() if count},
        )
    except (IndexError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise WrkError(f"wrk printed no result line: {output[-500:]!r}") from error
