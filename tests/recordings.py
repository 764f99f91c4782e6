"""
A telephone system's recordings, and a hookd that may convert them: what the tests of `records` share.
"""

import dataclasses
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hookd.errors import ToolFailedError
from hookd.sandbox import signatures
from hookd.settings import load_site
from hookd.tools import Call, Ground, shelf
from hookd.tools.records import Records

OLD_S = 100.0  # ago: nobody writes such a recording any more
LINKEDID = "1700000000.12"  # 14 November 2023, 22:13:20 UTC
DEADLINE_S = 30.0


class Box:
    """
    A telephone system's directory of recordings, and a hookd that may convert them.
    """

    def __init__(self, base: Path, **settings: Any) -> None:
        self.root = base / "monitor"
        self.root.mkdir(exist_ok=True)
        self.state = base / "var"
        values: dict[str, Any] = {"records_roots": (self.root,), "time_zone": "Europe/Moscow", **settings}
        self.settings = dataclasses.replace(load_site(base), **values)
        self.ground = Ground("default", base, base / "hooks", self.settings)
        self.methods = Records(self.state).methods()

    def call(self, method: str, *, seconds: float = DEADLINE_S, **arguments: Any) -> Call:
        bound = signatures.bind("records", method, (), arguments)
        return Call(self.ground, "records", method, bound, time.monotonic() + seconds)

    def ask(self, method: str, *, seconds: float = DEADLINE_S, **arguments: Any) -> Any:
        return self.methods[method].do(self.call(method, seconds=seconds, **arguments))

    def convert(self, path: Path, **arguments: Any) -> Path:
        return Path(self.ask("convert", path=str(path), **arguments))

    def refusal(self, method: str, **arguments: Any) -> str:
        with pytest.raises(ToolFailedError) as failed:
            self.ask(method, **arguments)
        return str(failed.value)

    def write(self, name: str, data: bytes, *, age_s: float = OLD_S) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        moment = time.time() - age_s
        os.utime(path, (moment, moment))
        return path

    def made(self) -> list[str]:
        """Every file on the shelf, partial ones too."""
        return sorted(path.name for path in (self.root / shelf.NAME).rglob("*") if path.is_file())


def probe(path: Path) -> dict[str, Any]:
    """What ffprobe says of the sound in *path*."""
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_format", str(path)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert len(found["streams"]) == 1
    stream = found["streams"][0]
    return {
        "format": found["format"]["format_name"],
        "codec": stream["codec_name"],
        "rate": int(stream["sample_rate"]),
        "channels": stream["channels"],
        "seconds": round(float(found["format"]["duration"]), 1),
        "tags": {**found["format"].get("tags", {}), **stream.get("tags", {})},
    }


def wait_until(is_so: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Return what *is_so* gives as soon as that is something."""
    end = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)
    return found


def wait_for_ffmpeg(box: Box, hookd: int = os.getpid()) -> int:
    """Wait until ffmpeg, below the process *hookd*, has begun to write; return its process id."""

    def found() -> int | None:
        if not any(path.stat().st_size for path in (box.root / shelf.NAME).rglob(".part-*")):
            return None
        tasks = Path(f"/proc/{hookd}/task").iterdir()
        children = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
        return next((pid for pid in children if Path(f"/proc/{pid}/comm").read_text() == "ffmpeg\n"), None)

    pid: int = wait_until(found)
    return pid
