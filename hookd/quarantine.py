"""
The quarantine: versions of hooks that did what no hook may do, and are not run again.

A row in the database is seen by every process within a second, and by a restart; the process that saw the violation
does not wait for the row. Another version of the file is free again; whoever takes the old one back finds it held.
"""

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path

import structlog

from hookd import storage
from hookd.errors import StorageError

log = structlog.get_logger("hookd.quarantine")


class Quarantine:
    """
    What is in quarantine, as this process knows it.

    Args:
        state: Directory of the database that it is kept in; None keeps it in this process alone (commands).
    """

    def __init__(self, state: Path | None) -> None:
        self._state = state
        self._rows: storage.Quarantine | None = None
        self._opening = threading.Lock()
        self._held: Mapping[tuple[str, str, str], str] = {}
        self._own: dict[tuple[str, str, str], str] = {}  # seen here; the disk may be full
        self._suspects: set[str] = set()  # digests of hooks one of which broke out of a worker that they shared
        self._writes: set[asyncio.Task[None]] = set()

    def why(self, site: str, hook: str, digest: str) -> str:
        """
        Return what the version *digest* of *hook* did, "" where it is not in quarantine.
        """
        key = (site, hook, digest)
        return self._own.get(key) or self._held.get(key) or ""

    def is_suspect(self, digest: str) -> bool:
        """
        Return whether the version *digest* of a hook shared a worker with whatever broke out of it.
        """
        return digest in self._suspects

    def blame(self, site: str, hosted: Mapping[str, set[str]], detail: str) -> None:
        """
        Put the hook into quarantine that broke out of a worker of *site*.

        Where several hooks were executed in it, nobody knows which of them it was. From now on they run in fresh
        workers, in which whoever does it again is alone.

        Args:
            hosted: Name of each hook that was executed in the worker → digests of its versions.
            detail: What it did.
        """
        digests: set[str] = set().union(*hosted.values())
        if len(hosted) == 1:
            (name,) = hosted
            for digest in digests:
                self.add(site, name, digest, detail)
        elif not self._suspects >= digests:
            self._suspects |= digests
            log.error("hooks_suspected", site=site, hooks=sorted(hosted), detail=detail)

    def add(self, site: str, hook: str, digest: str, detail: str) -> None:
        """
        Put the version *digest* of *hook* into quarantine for *detail*, what it did.
        """
        self._own[site, hook, digest] = detail
        log.error("hook_quarantined", site=site, hook=hook, digest=digest[:12], detail=detail)
        if self._state:
            task = asyncio.create_task(self._write(site, hook, digest, detail))
            self._writes.add(task)
            task.add_done_callback(self._writes.discard)

    async def refresh(self) -> None:
        """
        Learn what other processes have put into quarantine.

        Raises:
            StorageError: The rows cannot be read; what is known stays known.
        """
        if self._state:
            rows = await asyncio.to_thread(lambda: self._open().details())
            self._held = {(row["site"], row["hook"], row["digest"]): row["detail"] for row in rows}
            for key in [key for key in self._own if key not in self._held]:
                await self._write(*key, self._own[key])  # the disk was full, or the file is another one

    async def close(self) -> None:
        """
        Wait until what was added is written.
        """
        await asyncio.gather(*self._writes)
        if self._rows:
            self._rows.close()

    def _open(self) -> storage.Quarantine:
        """The database; opened at its first use, after the fork, and again where that failed or the file is gone."""
        assert self._state
        with self._opening:
            if self._rows and not (self._state / storage.NAME).exists():
                self._rows.close()
                self._rows = None
            if self._rows is None:
                self._rows = storage.Quarantine(self._state)
            return self._rows

    async def _write(self, site: str, hook: str, digest: str, detail: str) -> None:
        try:
            await asyncio.to_thread(lambda: self._open().add(site, hook, digest, detail))
        except StorageError as error:
            log.error("quarantine_not_written", error=str(error), holds="in this process, until it ends")
