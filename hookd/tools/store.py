"""
`store`: what a later run needs, a key and a plain value each, kept by site.

One table of hookd.sqlite. A change is one transaction that holds the site's row of what it uses: processes and threads
change one key after another, and quotas count what is really there. What has expired is gone for readers at once, and
from the table at the next change.
"""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import orjson
import structlog
from sqlalchemy import Connection, delete, func, insert, select, update

from hookd import documents
from hookd.errors import StorageError, ToolFailedError
from hookd.sandbox.signatures import INTEGER_MAX
from hookd.storage import NAME, STORE, STORE_USE, TABLES, Database
from hookd.tools.call import Call, Json, Method

VALUE_BYTES = 65_536  # of one value, as JSON
MEGABYTE = 1024 * 1024

log = structlog.get_logger("hookd.tools")


class _Row(NamedTuple):
    """What a key holds: its value as JSON, and when that ends (None: never)."""

    value: str
    expires: float | None


# From the row there is, or None, to the row there shall be (None: none), and the answer.
_Change = Callable[[_Row | None], tuple[_Row | None, Json]]


class Store:
    """
    The stores of all sites.

    Args:
        state: The state directory; the database is opened when it is first needed.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._opened: Database | None = None
        self._lock = threading.Lock()

    def methods(self) -> Mapping[str, Method]:
        """Return what hooks may call."""
        return {
            "get": Method(self._get, _summary, is_acting=False, pretend=lambda arguments: arguments["default"]),
            "set": Method(self._set, _summary),
            "delete": Method(self._delete, _summary),
            "incr": Method(self._incr, _summary, pretend=lambda arguments: arguments["by"]),
            "add_if_absent": Method(self._add_if_absent, _summary, pretend=lambda arguments: True),
        }

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            if self._opened:
                self._opened.close()
                self._opened = None

    def _get(self, call: Call) -> Json:
        if not self._opened and not (self._state / NAME).exists():  # a command that only looks makes no database
            return call.arguments["default"]
        try:
            with self._database().read() as connection:
                row = _row(connection, call, time.time())
        except StorageError as error:
            raise _unusable(call, error) from error
        return call.arguments["default"] if row is None else orjson.loads(row.value)

    def _set(self, call: Call) -> Json:
        new = _Row(_text(call), _expiry(call))
        return self._change(call, lambda row: (new, None))

    def _delete(self, call: Call) -> Json:
        return self._change(call, lambda row: (None, None))

    def _add_if_absent(self, call: Call) -> Json:
        new = _Row(_text(call), _expiry(call))
        return self._change(call, lambda row: (row or new, row is None))

    def _incr(self, call: Call) -> Json:
        def change(row: _Row | None) -> tuple[_Row, Json]:
            before = orjson.loads(row.value) if row else 0
            if type(before) is not int:
                raise ToolFailedError(
                    f"store.incr: {_key(call)} holds no whole number.", "Count under a key of its own, or store.set it."
                )
            after = before + call.arguments["by"]
            if abs(after) > INTEGER_MAX:
                raise ToolFailedError(f"store.incr: {_key(call)} would be beyond 53 bits.", "store.set begins anew.")
            return _Row(str(after), row.expires if row else _expiry(call)), after

        return self._change(call, change)

    def _change(self, call: Call, change: _Change) -> Json:
        """Replace what the call's key holds by what *change* makes of it, in one transaction; return its answer."""
        try:
            with self._database().write() as connection:
                if call.is_aborted:  # it waited for the lock until nobody waited for it
                    raise ToolFailedError(f"{call.name}: the run is over.", "")
                now = time.time()
                used = _used(connection, call, now)
                before = _row(connection, call, now)
                after, answer = change(before)
                if after != before:
                    _replace(connection, call, before, after, used)
                return answer
        except StorageError as error:
            raise _unusable(call, error) from error

    def _database(self) -> Database:
        with self._lock:
            if self._opened is None:
                self._opened = Database(self._state, NAME, TABLES)
            return self._opened


class _Used(NamedTuple):
    """What a site's store holds."""

    key_count: int
    byte_count: int


def _used(connection: Connection, call: Call, now: float) -> _Used:
    """What the site uses, its row locked, once what has expired is gone."""
    site = call.site.name
    columns = STORE_USE.c
    query = select(columns.key_count, columns.byte_count).filter_by(site=site).with_for_update()
    found = connection.execute(query).one_or_none()
    if found is None:
        connection.execute(insert(STORE_USE).values(site=site, key_count=0, byte_count=0))
    if connection.execute(delete(STORE).where(STORE.c.site == site, STORE.c.expires <= now)).rowcount or found is None:
        sums = select(func.count(), func.coalesce(func.sum(STORE.c.bytes), 0)).where(STORE.c.site == site)
        used = _Used(*connection.execute(sums).one())
        connection.execute(update(STORE_USE).filter_by(site=site).values(**used._asdict()))
        return used
    return _Used(found.key_count, found.byte_count)


def _row(connection: Connection, call: Call, now: float) -> _Row | None:
    columns = STORE.c
    query = select(columns.value, columns.expires).filter_by(site=call.site.name, key=call.arguments["key"])
    found = connection.execute(query).one_or_none()
    if found is None or (found.expires is not None and found.expires <= now):
        return None
    return _Row(found.value, found.expires)


def _replace(connection: Connection, call: Call, before: _Row | None, after: _Row | None, used: _Used) -> None:
    place = {"site": call.site.name, "key": call.arguments["key"]}
    size = _size(call, after)
    keys = used.key_count + (after is not None) - (before is not None)
    wanted = _Used(keys, used.byte_count + size - _size(call, before))
    _check_quota(call, used, wanted)
    if after is None:
        connection.execute(delete(STORE).filter_by(**place))
    elif before is None:
        connection.execute(insert(STORE).values(value=after.value, expires=after.expires, bytes=size, **place))
    else:
        values = {"value": after.value, "expires": after.expires, "bytes": size}
        connection.execute(update(STORE).filter_by(**place).values(**values))
    connection.execute(update(STORE_USE).filter_by(site=call.site.name).values(**wanted._asdict()))


def _check_quota(call: Call, used: _Used, wanted: _Used) -> None:
    settings = call.site.settings
    full = f"{call.name}: the store of this site is full: it has"
    remedy = "Give keys a ttl_s, delete what is not needed, or ask the operator for more:"
    if wanted.key_count > max(settings.store_keys_max, used.key_count):
        raise ToolFailedError(
            f"{full} {used.key_count} keys; {settings.store_keys_max} at most.", f"{remedy} store_keys_max."
        )
    if wanted.byte_count > max(settings.store_mb_max * MEGABYTE, used.byte_count):
        raise ToolFailedError(
            f"{full} {used.byte_count} bytes; {settings.store_mb_max} MB at most.", f"{remedy} store_mb_max."
        )


def _size(call: Call, row: _Row | None) -> int:
    return len(call.arguments["key"].encode()) + len(row.value.encode()) if row else 0


def _text(call: Call) -> str:
    data = documents.dump(call.arguments["value"])
    if len(data) > VALUE_BYTES:
        raise ToolFailedError(
            f"{call.name}: the value of {_key(call)} has {len(data)} bytes as JSON; {VALUE_BYTES} at most.",
            "Keep only what a later run needs, or split it over several keys.",
        )
    return data.decode()


def _expiry(call: Call) -> float | None:
    ttl_s = call.arguments["ttl_s"]
    return None if ttl_s is None else time.time() + ttl_s


def _key(call: Call) -> str:
    return repr(call.arguments["key"])


def _summary(arguments: Mapping[str, Json]) -> str:
    return str(arguments["key"])


def _unusable(call: Call, error: StorageError) -> ToolFailedError:
    log.error("store_unusable", site=call.site.name, tool=call.name, error=str(error))
    return ToolFailedError(f"{call.name}: the store cannot be used now.", "The operator finds the reason in the log.")
