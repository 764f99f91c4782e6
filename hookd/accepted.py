"""
The last good version of each hook and of their settings, kept on disk: a restart on a broken edit runs it.
"""

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from hookd import __version__
from hookd.errors import Problem
from hookd.hook_settings import Tables
from hookd.hooks import Hook
from hookd.points import kind_of

ACCEPTED_BY = f"hookd {__version__}, Python {sys.version_info.major}.{sys.version_info.minor}"

log = structlog.get_logger("hookd.hooks")


class Accepted:
    """
    The last good version of each hook of a site, and of their settings, on disk.

    A full disk costs the memory of the last good version, never a call: it is logged, and tried again.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "accepted.json"

    def load(self) -> tuple[dict[str, Hook], Tables, bool]:
        """
        Return the hooks by name, their settings, and whether this version of hookd and Python accepted them.
        """
        try:
            kept = json.loads(self._path.read_text("utf-8"))
            hooks = {name: _revive(name, hook) for name, hook in kept["hooks"].items()}
            return hooks, dict(kept.get("settings", {})), kept["by"] == ACCEPTED_BY
        except FileNotFoundError:
            return {}, {}, True
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            log.warning("accepted_unreadable", file=str(self._path), error=str(error))
            return {}, {}, True

    def store(self, hooks: Mapping[str, Hook], settings: Tables) -> bool:
        """
        Replace the file, by way of a temporary one; return whether that worked.
        """
        found = {name: asdict(hook) for name, hook in hooks.items()}
        kept = {"by": ACCEPTED_BY, "hooks": found, "settings": settings}
        text = json.dumps(kept, ensure_ascii=False, indent=1)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=self._path.parent, prefix=".accepted-", delete=False
            ) as file:
                temporary = file.name
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._path)
        except OSError as error:
            log.error("accepted_not_stored", file=str(self._path), error=str(error))
            with contextlib.suppress(OSError, UnboundLocalError):
                os.unlink(temporary)
            return False
        return True


def _revive(name: str, kept: dict[str, Any]) -> Hook:
    kept["settings_keys"] = tuple((key, line) for key, line in kept["settings_keys"])
    kept["tools"] = tuple(kept.get("tools", ()))
    kept["lists"] = tuple((key, line) for key, line in kept.get("lists", ()))
    kept["jobs"] = tuple((key, line) for key, line in kept.get("jobs", ()))
    for key in ("returned_keys", "returned_values"):
        kept[key] = tuple((found, line) for found, line in kept.get(key, ()))
    kept["warnings"] = tuple(Problem(**warning) for warning in kept["warnings"])
    return Hook(**{**kept, "kind": kind_of(name), "name": name})
