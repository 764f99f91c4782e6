"""
Run attacks against a real pool, in a process of its own: `python -m tests.raw.suite --attacks DIRECTORY`.

A process of its own, because the user and the outer filter that hookd may run under apply to it, to the zygote and to
everything below. After each attack the pool must answer an ordinary run; in the end nothing may be left running, open
or written. One JSON line an attack goes to standard output, and a last one about what is left.
"""

import argparse
import asyncio
import contextlib
import ctypes
import json
import os
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import structlog

from hookd.sandbox import jail
from hookd.sandbox.pool import Busy, Pool, RunEnded
from hookd.settings import SiteSettings
from hookd.sites import site_message
from tests.raw import outer

ATTACK_S = 0.7  # for those that only a deadline ends
PATIENCE_S = 10.0  # for the others: on a busy machine they have the time they need
WORKERS_MAX = 3
DETAIL_CHARACTERS = 300
GONE_S = 3.0  # for what was killed last to be reaped

PR_SET_CHILD_SUBREAPER = 36  # include/uapi/linux/prctl.h
RAW_ZYGOTE = Path(__file__).with_name("zygote.py")

SITE = site_message(SiteSettings("UTC", "RU", "", {}, (), ()))
ORDINARY = "def hook(request):\n    return request\n"
# What a daemon or a file of an attack would be seen by.
SHARED_DIRECTORIES = ("/", "/tmp", "/dev/shm", "/var/tmp", "/run")

Json = dict[str, Any]


class Suite:
    """
    A pool, and what the attacks are told of the world around it.

    Args:
        kind: "raw" without the language layer, "point" with it.
        entry: Name of the function that an attack defines.
        zygote: The command of the zygote.
        directory: The broker's own directory, with its secrets.
    """

    def __init__(self, *, kind: str, entry: str, zygote: list[str], directory: Path) -> None:
        self._kind = kind
        self._entry = entry
        self._pool = Pool(workers_max=WORKERS_MAX, spares=1, zygote=zygote)
        self._token = f"hookd-attack-{secrets.token_hex(4)}"
        self._directory = directory
        self._errors: list[str] = []
        self._ordinary = ORDINARY.replace("hook(", f"{entry}(")
        self._runs = 0

    async def run(self, attacks: list[Path]) -> None:
        """Run *attacks* one after another."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self._errors.append(str(context.get("exception", context))))
        before = (len(os.listdir("/proc/self/fd")), sorted(os.listdir(self._directory)))
        await self._pool.start()
        try:
            await self._answers()
            for attack in attacks:
                _print(await self._run_attack(attack))
        finally:
            await self._pool.close()
        _print(
            {
                "left": {
                    "processes": await _descendants_after_a_while(),
                    "files": self._written(before[1]),
                    "descriptors": len(os.listdir("/proc/self/fd")) - before[0],
                    "errors": self._errors,
                }
            }
        )

    async def _run_attack(self, attack: Path) -> Json:
        source = attack.read_text("utf-8")
        seconds = ATTACK_S if "timeout" in source.partition("\n")[0] else PATIENCE_S
        found = await self._outcome(attack.stem, source, self._world(), seconds)
        # In the worker that the attack had, if it is still there: any end will do, but it must have one.
        again = await self._outcome(attack.stem, self._ordinary, {}, ATTACK_S)
        return {"attack": attack.stem, **found, "again": again["outcome"], "next": await self._answers()}

    async def _answers(self) -> bool:
        """Whether a run of another site comes back with what it sent."""
        self._runs += 1
        document = {"run": self._runs}
        return await self._outcome("ordinary", self._ordinary, document, PATIENCE_S) == {
            "outcome": "ok",
            "detail": str(document),
        }

    async def _outcome(self, site: str, source: str, document: Json, seconds: float) -> Json:
        load = {"kind": self._kind, "name": self._entry, "file": f"{self._entry}.py", "source": source, "libs": {}}
        run = {"t": "run", "key": "k", "document": document, "settings": {}, "now": None}
        try:
            if self._kind == "point":
                checked = await self._ask(site, [SITE, {"t": "check", **load}], PATIENCE_S)
                if checked["problems"]:
                    return {"outcome": "load", "detail": checked["problems"][0]["message"]}
            answer = await self._ask(site, [SITE, {"t": "load", "key": "k", **load}, run], seconds)
        except RunEnded as error:
            return {"outcome": str(error.end), "detail": error.detail}
        except Busy:
            return {"outcome": "busy", "detail": ""}
        if "error" in answer:
            return {"outcome": answer["error"]["code"], "detail": answer["error"]["message"]}
        return {"outcome": "ok", "detail": _text(answer.get("ok"))}

    async def _ask(self, site: str, messages: list[Json], seconds: float) -> Json:
        worker = await self._pool.acquire(site, site, time.monotonic() + PATIENCE_S)
        try:
            return (await self._pool.run(worker, messages, time.monotonic() + seconds))[0]
        finally:
            self._pool.release(worker, site)

    def _world(self) -> Json:
        """What an attack would have to find out first."""
        pids = self._pool.pids()
        zygote = next(parent for pid in reversed(pids) if (parent := _parent(pid)) in pids)
        workers = pids[pids.index(zygote) + 1 :]
        return {
            "phone": "1",
            "broker": os.getpid(),
            "zygote": zygote,
            "siblings": workers,
            "config": str(self._directory / "hookd.toml"),
            "token": self._token,
        }

    def _written(self, before: list[str]) -> list[str]:
        """What attacks made of the file system; what others may see of it is removed."""
        shared = [
            path
            for directory in map(Path, SHARED_DIRECTORIES)
            if directory.is_dir() and os.access(directory, os.R_OK)
            for path in directory.glob(f"*{self._token}*")
        ]
        for path in shared:
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        return [str(path) for path in shared] + sorted(set(os.listdir(self._directory)) ^ set(before))


def _parent(pid: int) -> int:
    """Its parent; 0 where it has ended meanwhile."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


async def _descendants_after_a_while() -> list[str]:
    end = time.monotonic() + GONE_S
    while (found := _descendants()) and time.monotonic() < end:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)  # orphans that came to us, the reaper
        await asyncio.sleep(0.01)
    return found


def _descendants() -> list[str]:
    """Every process below this one, however often it forked: orphans come here and not to the system's first one."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                head, _, rest = Path(f"/proc/{entry}/stat").read_text().rpartition(")")
                parents[int(entry)], names[int(entry)] = int(rest.split()[1]), head.partition("(")[2]
    found, todo = [], [os.getpid()]
    while todo:
        above = todo.pop()
        below = [pid for pid, parent in parents.items() if parent == above]
        found += [f"{names[pid]} {pid}" for pid in below]
        todo += below
    return found


def _text(value: object) -> str:
    try:
        return str(value)[:DETAIL_CHARACTERS]
    except (RecursionError, ValueError):  # nested deeply, or a number of more digits than str() gives
        return type(value).__name__


def _print(line: Json) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _become(uid: int) -> None:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def main() -> None:
    """Take on the user and the filter that are asked for, then run the attacks."""
    parser = argparse.ArgumentParser(prog="tests.raw.suite")
    parser.add_argument("--attacks", type=Path, required=True)
    parser.add_argument("--only", default="*", help="file name pattern")
    parser.add_argument("--raw", action="store_true", help="without the language layer")
    parser.add_argument("--entry", default="hook", help="the function that attacks define")
    parser.add_argument("--uid", type=int)
    parser.add_argument("--outer", choices=["docker", "systemd"])
    parser.add_argument("--env", action="append", default=[], help="NAME=VALUE for the zygote's interpreter")
    args = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    attacks = sorted(args.attacks.glob(f"{args.only}.py"))
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("prctl(PR_SET_CHILD_SUBREAPER)")
    if args.outer:
        outer.load(args.outer)
    if args.uid is not None:
        _become(args.uid)
    jail.not_dumpable()  # as the HTTP processes are
    module = [str(RAW_ZYGOTE)] if args.raw else ["-m", "hookd.sandbox.zygote"]
    zygote = ["/usr/bin/env", *args.env, sys.executable, "-I", "-B", *module]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "hookd.toml").write_text('token = "of the broker"\n')
        kind = "raw" if args.raw else "point"
        asyncio.run(Suite(kind=kind, entry=args.entry, zygote=zygote, directory=directory).run(attacks))


if __name__ == "__main__":
    main()
