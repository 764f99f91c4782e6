"""
`python -m benchmarks`: start the peers, measure them in turn, print the table, keep the figures as JSON.

All peers run during the whole benchmark and are measured one at a time, in rounds that go over every load and every
peer: what else the machine does meets all of them alike, and the median leaves out the round that it spoiled.

Exit codes: 0 fine; 1 a peer failed or had errors under load; 2 usage, or nothing could be measured.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from benchmarks import report, request, servers
from benchmarks.peers import PEERS, find
from benchmarks.report import Report
from benchmarks.wrk import Load, Round, Wrk, WrkError

OK = 0
HAD_ERRORS = 1
USAGE = 2
INTERRUPTED = 128 + signal.SIGINT

OURS = "hookd"
RESULTS = Path(__file__).parent / "results"
WARM_UP = Load(is_keep_alive=True, connections=8)
WARM_UP_S = 1
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Target:
    """A peer that runs: where it answers, and the file with its reply."""

    url: str
    reply: Path


@dataclass(frozen=True, slots=True)
class Started:
    """What became of each peer: running, skipped for want of a program (how to get it), or failed (why)."""

    targets: dict[str, Target]
    skipped: dict[str, str]
    failed: dict[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    options = _options(arguments)
    program = find("wrk")
    if program is None:
        _tell("wrk is missing: apt-get install wrk")
        return USAGE
    try:
        with _one_interrupt():
            found = _run(program, options)
    except KeyboardInterrupt:
        _tell("interrupted; every peer is stopped")
        return INTERRUPTED
    _publish(found, is_json=options.json)
    if not found.peers:
        return USAGE
    return HAD_ERRORS if found.has_errors() else OK


def _run(program: str, options: argparse.Namespace) -> Report:
    time, machine = datetime.now(UTC), report.machine()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hookd-benchmark-")))
        body = folder / "request.json"
        body.write_bytes(request.body())
        started = _start(options.only, folder, stack)
        rounds = _measure(Wrk(program, body), started, options)
    return Report(
        time=time,
        machine=machine,
        request_bytes=len(request.body()),
        seconds=options.seconds,
        round_count=options.rounds,
        peers={name: f"{PEERS[name].version()}: {PEERS[name].summary}" for name in started.targets},
        skipped=started.skipped,
        failed=started.failed,
        rounds=rounds,
    )


def _start(names: Sequence[str], folder: Path, stack: contextlib.ExitStack) -> Started:
    """Start each peer; the stack stops them."""
    started = Started({}, {}, {})
    for name in names:
        peer = PEERS[name]
        if missing := peer.missing():
            started.skipped[name] = "; ".join(missing)
            continue
        _tell(f"start {name}")
        home = folder / name
        home.mkdir()
        place = servers.Place(home, servers.free_port(), len(os.sched_getaffinity(0)))
        try:
            reply = stack.enter_context(servers.running(peer.commands(place), place))
        except servers.PeerError as error:
            started.failed[name] = str(error)
            continue
        (home / "reply").write_bytes(reply)
        started.targets[name] = Target(f"http://127.0.0.1:{place.port}/{request.POINT}", home / "reply")
    return started


def _measure(wrk: Wrk, started: Started, options: argparse.Namespace) -> dict[Load, dict[str, list[Round]]]:
    """Return the rounds of the peers that lasted; the others move to the failed."""
    loads = [Load(is_kept, count) for is_kept in (True, False) for count in options.connections]
    rounds: dict[Load, dict[str, list[Round]]] = {load: {name: [] for name in started.targets} for load in loads}
    for name in list(started.targets):
        _one_round(wrk, started, name, WARM_UP, seconds=WARM_UP_S)
    for number in range(options.rounds):
        for load in loads if started.targets else ():
            _tell(f"round {number + 1} of {options.rounds}: {load}")
            for name in _rotated(list(started.targets), number):
                rounds[load][name] += _one_round(wrk, started, name, load, seconds=options.seconds)
    lasted = started.targets
    return {load: {name: peers[name] for name in lasted} for load, peers in rounds.items()} if lasted else {}


def _one_round(wrk: Wrk, started: Started, name: str, load: Load, *, seconds: int) -> list[Round]:
    target = started.targets[name]
    try:
        return [wrk.measure(target.url, target.reply, load, seconds=seconds)]
    except WrkError as error:
        del started.targets[name]
        started.failed[name] = str(error)
        return []


def _rotated(names: list[str], by: int) -> list[str]:
    """So that no peer always comes after the same one, whose closed connections the kernel still clears away."""
    first = by % max(len(names), 1)
    return names[first:] + names[:first]


def _publish(found: Report, *, is_json: bool) -> None:
    document = json.dumps(report.document(found, OURS), ensure_ascii=False, indent=2)
    print(document if is_json else report.text(found, OURS))
    if found.peers:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{found.time:%Y-%m-%dT%H%M%SZ}.json"
        path.write_text(document + "\n", "utf-8")
        _tell(f"wrote {path}")


@contextlib.contextmanager
def _one_interrupt() -> Iterator[None]:
    """Make the first Ctrl-C, SIGTERM or SIGHUP end the benchmark; a second one must not cut the clean-up short."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = _parser().parse_args(arguments)
    length = 1 if options.quick else 3
    options.seconds = options.seconds or length
    options.rounds = options.rounds or length
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="hookd beside its peers, in one run")
    parser.add_argument("--quick", action="store_true", help="one round of 1 s each: does it work at all")
    parser.add_argument("--only", type=_names, default=list(PEERS), metavar="A,B", help=", ".join(PEERS))
    parser.add_argument("--connections", type=_counts, default=[1, 8, 32], metavar="N,N", help="1,8,32")
    parser.add_argument("--seconds", type=_count, metavar="N", help="length of a round (3)")
    parser.add_argument("--rounds", type=_count, metavar="N", help="rounds, of which the median counts (3)")
    parser.add_argument("--json", action="store_true", help="print the document instead of the table")
    return parser


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"{name}: no such peer; there are {', '.join(PEERS)}")
    return names


def _counts(text: str) -> list[int]:
    return [_count(each) for each in text.split(",")]


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: a whole number from 1 is wanted")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
