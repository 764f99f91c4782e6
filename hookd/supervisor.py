"""
The supervisor: the parent of the HTTP processes and of the consumer; what `hookd serve` becomes.

    supervisor ─┬─ gunicorn ── HTTP processes
                └─ consumer, from the moment that there is a hook of a job or an event

It restarts what was killed, hands on the signals it gets, and ends with gunicorn's exit code. It knows the settings and
nothing else of hookd: the code that serves is imported by its children alone. They end when it dies.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hookd.errors import SettingsError
from hookd.points import has_durable
from hookd.sandbox import jail
from hookd.settings import Settings, find_config, load, site_directories

LOOK_S = 0.5  # between two looks at the children and at the hooks
CALM_S = 60.0  # a child that lived this long is restarted at once
DELAYS_S = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)  # before the restarts of one that keeps dying
CONSUMER_STOP_S = 15.0  # jobs get 10 s to end
SIGNALLED = 128  # added to the number of the signal that ended a process: what shells do

ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
HANDED_ON = frozenset({signal.SIGHUP, signal.SIGUSR1, signal.SIGTTIN, signal.SIGTTOU})  # gunicorn knows what they mean
SIGNALS = ENDING | HANDED_ON | {signal.SIGCHLD}

GUNICORN = (sys.executable, "-m", "gunicorn", "-c", "python:hookd.web.gunicorn_conf")
CONSUMER = (sys.executable, "-m", "hookd.consumer")


def main() -> int:
    """
    Supervise until told to stop; return the exit code.
    """
    working = Path.cwd()
    try:
        settings = load(find_config(None, os.environ, working), working)
    except SettingsError as error:
        print(f"hookd: {error}", file=sys.stderr)
        return 1
    jail.not_dumpable()  # it read the tokens
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    return Supervisor(settings).run()


@dataclass(slots=True)
class Child:
    """
    One child, which is started again and again.
    """

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    due: float = field(default_factory=time.monotonic)  # when it is started next

    @property
    def due_in_s(self) -> float:
        """Seconds until it is started again."""
        return round(max(0.0, self.due - time.monotonic()), 1)

    def start(self) -> None:
        """Start it."""
        parent = os.getpid()

        def prepare() -> None:  # safe: this process has one thread
            jail.end_with(parent, signal.SIGTERM)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

        self.process = subprocess.Popen(self.command, preexec_fn=prepare)
        self.started = time.monotonic()

    def send(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)

    def ended(self) -> int | None:
        """Return, once, how it ended: its exit code, or the signal's number below zero."""
        code = self.process.poll() if self.process else None
        if code is not None:
            lived_s = time.monotonic() - self.started
            self.deaths = 1 if lived_s >= CALM_S else self.deaths + 1
            self.due = time.monotonic() + (0.0 if self.deaths == 1 else DELAYS_S[min(self.deaths, len(DELAYS_S)) - 1])
            self.process = None
        return code

    def end(self, patience_s: float) -> None:
        """Stop it, and wait for that."""
        if self.process is None:
            return
        self.send(signal.SIGTERM)
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Supervisor:
    """
    Two children, from start to stop.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._http = Child("http", GUNICORN)
        self._consumer = Child("consumer", CONSUMER)
        self._is_stopping = False
        self._has_work = False

    def run(self) -> int:
        """
        Keep the children running; return the exit code when it is over.
        """
        self._http.start()
        while True:
            found = signal.sigtimedwait(SIGNALS, LOOK_S)
            if found:
                self._hand_on(found.si_signo)
            code = self._http.ended()
            if self._is_stopping and self._http.process is None:
                break
            if code is not None and code >= 0:  # by itself: its settings are wrong or its address is taken, as it said
                break
            if code is not None:
                self._tell("http_died", signal=-code, restarts_in_s=self._http.due_in_s)
            if not self._is_stopping:
                self._keep_up()
        self._consumer.end(CONSUMER_STOP_S)
        return SIGNALLED - code if code and code < 0 else code or 0

    def _hand_on(self, number: int) -> None:
        if number == signal.SIGCHLD:
            return
        # On SIGINT and SIGQUIT gunicorn sends SIGQUIT to its processes, which uvicorn's do not end on.
        self._http.send(signal.SIGTERM if number in ENDING else number)
        if number in ENDING:
            self._is_stopping = True
            self._consumer.send(signal.SIGTERM)
        elif number == signal.SIGHUP:
            self._consumer.send(signal.SIGTERM)  # the next one takes what has changed

    def _keep_up(self) -> None:
        code = self._consumer.ended()
        if code is not None:
            self._tell("consumer_ended", code=code, restarts_in_s=self._consumer.due_in_s)
        for child in (self._http, *((self._consumer,) if self._needs_consumer() else ())):
            if child.process is None and time.monotonic() >= child.due:
                child.start()

    def _needs_consumer(self) -> bool:
        """Whether there is a hook of a job or an event, or was one: what it left undone may wait for its return."""
        if not self._has_work:
            directories = [self._settings.hooks]
            with contextlib.suppress(OSError):  # the HTTP processes tell it
                directories += [path / "hooks" for path in site_directories(self._settings.sites).values()]
            self._has_work = any(map(has_durable, directories))
        return self._has_work

    def _tell(self, event: str, **facts: Any) -> None:
        """Log as `hookd.logs` does, without its imports."""
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        line = {"time": now, "level": "error", "event": event, **facts}
        wanted = self._settings.log_format
        is_text = wanted == "text" or (wanted == "auto" and sys.stderr.isatty())
        text = " ".join([now, "[error]", event, *(f"{name}={fact}" for name, fact in facts.items())])
        with contextlib.suppress(OSError):  # a log on a full disk ends nothing
            print(text if is_text else json.dumps(line), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
