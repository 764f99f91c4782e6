"""
`python -m benchmarks.events`: what it costs to take a portal's event, at a steady rate, and how fast events are done.

Each event is a request with a connection of its own, as a portal sends it, and comes when it is its time, whether or
not those before it were answered. With `--kills` the HTTP processes and the consumer are killed meanwhile, at random:
the times of what came during a restart, from the kill until the new process is up, are told apart.

Exit codes: 0 fine; 1 the server did not start, or events were lost.
"""

import argparse
import asyncio
import bisect
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

import requests

from benchmarks.servers import free_port
from hookd.jobs import DONE, EVENT, Jobs

START_S = 60.0
WARM_UP_S = 2.0  # not counted: databases are made, connections opened
PATIENCE_S = 30.0  # for an answer
DRAIN_S = 300.0  # for the consumer to do what was accepted
KILL_EVERY_S = (4.0, 12.0)
SETTLED_S = 0.5  # after a new process is up, until what piled up meanwhile has been answered
SAME_OBJECT = 3  # events in a row are on one object: they are done one after the other
TOKEN = "5f2b8c1d9e4a7063b2c8d1e5f9a40671"
MEMBER = "a223c6b3710f85df22e9377d6c4f7553"
HOOK = "def other(event):\n    return None\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """One event's: when it was sent, how long the answer took, and whether it was accepted."""

    sent: float
    ms: float
    is_accepted: bool


@dataclass(frozen=True, slots=True)
class Kill:
    """One process that was killed: when, and the log's word for the one in its place."""

    at: float
    up: str


class Serving:
    """A server in a directory of its own, its children and its log."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.state = directory / "var"
        (directory / "hooks" / "events").mkdir(parents=True)
        (directory / "hooks" / "events" / "other.py").write_text(HOOK, "utf-8")
        config = directory / "hookd.toml"
        site = f'[site]\nbitrix_event_tokens = ["{TOKEN}"]\n'
        config.write_text(f'bind = "127.0.0.1:{self.port}"\nlog_format = "json"\n{site}', "utf-8")
        self._log = directory / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hookd", "serve", "--config", str(config)], stdout=log, stderr=log
            )

    def is_up(self) -> bool:
        """Wait until it serves and its consumer works; return whether that came about."""
        end = time.monotonic() + START_S
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5).ok and self.ups("consumer_up"):
                    return True
            time.sleep(0.1)
        return False

    def children(self) -> dict[int, str]:
        """Return the process ids of HTTP processes and consumer, and what the log says when one is up."""
        direct = _children(self._process.pid)
        consumers = [pid for pid in direct if b"hookd.consumer" in _command(pid)]
        http = [below for pid in direct if pid not in consumers for below in _children(pid)]
        return dict.fromkeys(http, "sandbox_up") | dict.fromkeys(consumers, "consumer_up")

    def processor_s(self) -> dict[str, float]:
        """Return the seconds of a processor that HTTP processes and consumer, with their workers, have had."""
        found = {"http": 0.0, "consumer": 0.0}
        for pid, up in self.children().items():
            found["http" if up == "sandbox_up" else "consumer"] += sum(map(_processor_s, [pid, *_descendants(pid)]))
        return found

    def ups(self, event: str) -> list[float]:
        """Return when the log says *event*, in seconds since 1970."""
        found = []
        for line in self._log.read_bytes().splitlines():
            if event.encode() in line:
                with contextlib.suppress(ValueError):
                    found.append(datetime.fromisoformat(json.loads(line)["time"]).timestamp())
        return found

    def stop(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    options = _options(arguments)
    with _serving() as server:
        if not server.is_up():
            print("the server did not start", file=sys.stderr)
            return 1
        warm_up = asyncio.run(_send(server, WARM_UP_S, options.rate, first=0))
        _drained(server.state, _accepted(warm_up))
        before = server.processor_s()
        begun = time.time()
        kills: list[Kill] = []
        answers = asyncio.run(
            _send(server, options.seconds, options.rate, first=len(warm_up), kills=kills if options.kills else None)
        )
        sent_s = time.time() - begun
        accepted = _accepted(answers)
        done_meanwhile = _states(server.state)[DONE] - len(warm_up)
        left = _drained(server.state, accepted + _accepted(warm_up))
        used = {name: seconds - before[name] for name, seconds in server.processor_s().items()}
        rows = _ends(server.state)
        windows = _windows(server, kills)
    calm = [answer.ms for answer in answers if answer.is_accepted and not _is_in(windows, answer)]
    print(f"events at {options.rate:g}/s for {sent_s:.0f} s: {accepted} of {len(answers)} accepted")
    print(f"answer{' outside of restarts' if kills else ''}: {_figures(calm)}, {len(calm)} of them")
    if kills:
        http = sum(kill.up == "sandbox_up" for kill in kills)
        print(f"kills: {http} of an HTTP process, {len(kills) - http} of the consumer")
        print(f"answer at all: {_figures([answer.ms for answer in answers if answer.is_accepted])}")
        print(f"restarts took {sum(end - begin for begin, end in windows):.0f} s of it together")
    behind_s = rows[-1] - begun - sent_s
    print(
        f"done meanwhile {done_meanwhile / sent_s:.0f}/s, at most {_fastest(rows)}/s; the last {behind_s:.1f} s later"
    )
    if not kills:
        shares = "  ".join(f"{name} {seconds * 1000 / max(accepted, 1):.2f} ms" for name, seconds in used.items())
        print(f"processor time for each event: {shares}")
    if left:
        print(f"{left} accepted events were not done", file=sys.stderr)
    return 1 if left else 0


async def _send(
    server: Serving, seconds: float, rate: float, *, first: int, kills: list[Kill] | None = None
) -> list[Answer]:
    """Send events at the rate, the first of this number, and kill meanwhile if *kills*; return what became of each."""
    killing = asyncio.create_task(_kill(server, kills)) if kills is not None else None
    tasks = []
    begin = time.monotonic()
    for number in range(int(seconds * rate)):
        await asyncio.sleep(max(0.0, begin + number / rate - time.monotonic()))
        tasks.append(asyncio.create_task(_post(server.port, _request(first + number))))
    answers = await asyncio.gather(*tasks)
    if killing:
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)
    return answers


async def _kill(server: Serving, kills: list[Kill]) -> None:
    while True:
        await asyncio.sleep(random.uniform(*KILL_EVERY_S))
        children = await asyncio.to_thread(server.children)
        if children:
            pid, up = random.choice(list(children.items()))
            kills.append(Kill(time.time(), up))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


async def _post(port: int, request: bytes) -> Answer:
    sent, started = time.time(), time.monotonic()
    reply = b""
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                reply = await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        pass
    return Answer(sent, (time.monotonic() - started) * 1000, reply.startswith(b"HTTP/1.1 200") and b"success" in reply)


def _request(number: int) -> bytes:
    fields = {
        "event": "ONCRMDEALUPDATE",
        "event_handler_id": 71,
        "data[FIELDS][ID]": number // SAME_OBJECT,
        "ts": 1767225600 + number,
        "auth[domain]": "acme.bitrix24.ru",
        "auth[client_endpoint]": "https://acme.bitrix24.ru/rest/",
        "auth[server_endpoint]": "https://oauth.bitrix.info/rest/",
        "auth[member_id]": MEMBER,
        "auth[application_token]": TOKEN,
    }
    body = urlencode(fields).encode()
    head = (
        f"POST /bitrix24/event HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def _accepted(answers: Sequence[Answer]) -> int:
    return sum(answer.is_accepted for answer in answers)


def _states(state: Path) -> Counter[str]:
    jobs = Jobs(state)
    found = Counter(jobs.counts(kind=EVENT))
    jobs.close()
    return found


def _drained(state: Path, accepted: int) -> int:
    """Wait until what was accepted, and all else that is known, is done; return how much is not."""
    end = time.monotonic() + DRAIN_S
    left = accepted
    while left and time.monotonic() < end:
        time.sleep(0.2)
        found = _states(state)
        left = max(accepted - found[DONE], found.total() - found[DONE])
    return left


def _ends(state: Path) -> list[float]:
    jobs = Jobs(state)
    found = sorted(job.ended_at for job in jobs.all(kind=EVENT, state=DONE) if job.ended_at)
    jobs.close()
    return found


def _fastest(ends: list[float]) -> int:
    """How many ended in the best ten seconds, a second."""
    window = min(10.0, max(1.0, ends[-1] - ends[0]))
    return round(max(bisect.bisect_right(ends, end + window) - number for number, end in enumerate(ends)) / window)


def _windows(server: Serving, kills: list[Kill]) -> list[tuple[float, float]]:
    """Return the restarts, as times since 1970, without overlap."""
    windows: list[tuple[float, float]] = []
    for kill in kills:
        end = next((at for at in server.ups(kill.up) if at > kill.at), time.time()) + SETTLED_S
        if windows and kill.at <= windows[-1][1]:
            windows[-1] = windows[-1][0], max(end, windows[-1][1])
        else:
            windows.append((kill.at, end))
    return windows


def _is_in(windows: list[tuple[float, float]], answer: Answer) -> bool:
    return any(begin <= answer.sent + answer.ms / 1000 and answer.sent <= end for begin, end in windows)


def _figures(times: list[float]) -> str:
    ordered = sorted(times) or [0.0]
    return "  ".join(f"p{percent} {ordered[len(ordered) * percent // 100]:.1f} ms" for percent in (50, 90, 99))


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _descendants(pid: int) -> list[int]:
    direct = _children(pid)
    return direct + [below for child in direct for below in _descendants(child)]


def _processor_s(pid: int) -> float:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")  # its own, and that of children that ended
    return 0.0


def _command(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


@contextlib.contextmanager
def _serving() -> Iterator[Serving]:
    with tempfile.TemporaryDirectory(prefix="hookd-benchmark-") as folder:
        server = Serving(Path(folder))
        try:
            yield server
        finally:
            server.stop()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.events", description="what it costs to take an event")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the measurement (10)")
    parser.add_argument("--rate", type=float, default=200.0, help="events a second (200)")
    parser.add_argument("--kills", action="store_true", help="kill HTTP processes and the consumer meanwhile")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
