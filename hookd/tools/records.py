"""
`records`: the telephone system's recordings, as far as they lie in the site's directories for them.

A hook gets paths and hands paths over; it never sees a byte of a recording. `rooted` opens, `conversion` converts,
`shelf` keeps what was converted.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from hookd.errors import ToolFailedError
from hookd.tools import audio, conversion, rooted
from hookd.tools.call import Call, Json, Method
from hookd.tools.patience import Patience
from hookd.tools.shelf import Wanted

# Directories of one day below a root, the way FreePBX and others make them; "" is all in one.
DAY_DIRECTORIES = ("%Y/%m/%d", "%Y-%m-%d", "%Y%m%d", "%Y/%m", "")
PARTS_MAX = 10
PART_CHARACTERS = 200
LEAST_CHARACTERS = 4  # of all parts: less is in every name

_UNIQUE_ID = re.compile(r"(\d{9,10})\.\d+")  # of Asterisk: the second in which the channel began, and a number
_LOOK_EVERY = 1000  # names between two looks at the clock


class Records:
    """
    The recordings of all sites.

    Args:
        state: The state directory: it has the lock that one conversion at a time holds.
    """

    def __init__(self, state: Path) -> None:
        self._lock = state / conversion.LOCK_NAME

    def methods(self) -> Mapping[str, Method]:
        """Return what hooks may call."""
        return {
            "exists": Method(_exists, _name, is_acting=False, pretend=lambda arguments: True),
            "find": Method(_find, _parts_told, is_acting=False),
            "convert": Method(self._convert, _name, pretend=_pretended),
        }

    def _convert(self, call: Call) -> str:
        wanted = _wanted(call)
        place = rooted.place(call.arguments["path"], _roots(call), call.name)
        with Patience(call) as patience, rooted.recording(place, call.name) as recording:
            return str(conversion.convert(recording, wanted, lock=self._lock, call=call.name, patience=patience))


def _exists(call: Call) -> bool:
    place = rooted.place(call.arguments["path"], _roots(call), call.name)
    try:
        return rooted.exists(place)
    except OSError as error:
        path = call.arguments["path"]
        raise ToolFailedError(
            f"{call.name}: {path} cannot be looked at: {error.strerror}.", f"See who may: namei -l {path}"
        ) from error


def _find(call: Call) -> str | None:
    parts = _parts(call)
    for directory in _directories(call, parts):
        with contextlib.suppress(OSError, ToolFailedError):  # not there, or a link that leads out
            place = rooted.place(str(directory), _roots(call), call.name)
            with rooted.directory(place.root, place.parts) as fd:
                name = _newest(fd, parts, call)
            if name is not None:
                return str(directory / name)
        if not call.left_s:
            raise ToolFailedError(
                f"{call.name}: not over in time, with {directory} still to be looked through.",
                "Name a file in its directory: near=…",
            )
    return None


def _roots(call: Call) -> tuple[Path, ...]:
    settings = call.site.settings
    return (*settings.records_roots, *([settings.records_out] if settings.records_out else []))


def _wanted(call: Call) -> Wanted:
    target, bitrate = call.arguments["to"], call.arguments["bitrate"]
    if target not in audio.TARGETS:
        raise ToolFailedError(
            f"{call.name}: to is {target!r}.", f"Recordings become {' or '.join(map(repr, audio.TARGETS))}."
        )
    if bitrate is not None and audio.TARGETS[target].bytes_per_s:
        raise ToolFailedError(f"{call.name}: {target} has no bitrate.", "Leave it out.")
    if bitrate is not None and bitrate not in audio.BITRATES:
        raise ToolFailedError(
            f"{call.name}: bitrate is {bitrate}.",
            f"An mp3 of speech has one of {', '.join(map(str, audio.BITRATES))} kbit/s.",
        )
    settings = call.site.settings
    return Wanted(target, bitrate or audio.BITRATE, settings.records_out, settings.records_days)


def _parts(call: Call) -> list[str]:
    """What the name of the file has in it."""
    given = call.arguments["parts"]
    parts: list[str] = given if isinstance(given, list) else [given]
    if not all(type(part) is str and 0 < len(part) <= PART_CHARACTERS for part in parts) or len(parts) > PARTS_MAX:
        raise ToolFailedError(
            f"{call.name}: parts is text, or a list of up to {PARTS_MAX} texts.", "Such as records.find(call.linkedid)."
        )
    if sum(map(len, parts)) < LEAST_CHARACTERS:
        raise ToolFailedError(
            f"{call.name}: {parts} is in too many names.", f"Give {LEAST_CHARACTERS} characters: call.linkedid, a date."
        )
    return parts


def _directories(call: Call, parts: Sequence[str]) -> Iterator[Path]:
    """Where a recording with *parts* in its name may be, the likeliest place first."""
    if call.arguments["near"]:
        yield Path(os.path.dirname(call.arguments["near"]))
    days = _days(parts, ZoneInfo(call.site.settings.time_zone))
    for root in call.site.settings.records_roots:
        for form in DAY_DIRECTORIES:
            yield from dict.fromkeys(root / day.strftime(form) for day in days)


def _days(parts: Sequence[str], zone: ZoneInfo) -> list[datetime]:
    """The days whose directories are looked into: those of the ids among *parts*, else today and yesterday."""
    ids = [found for part in parts if (found := _UNIQUE_ID.fullmatch(part))]
    if not ids:
        now = datetime.now(zone)
        return [now, now - timedelta(days=1)]
    began = [datetime.fromtimestamp(int(found[1]), UTC) for found in ids]
    # The telephone system may have another zone, and its day may end during the call.
    return [day for time in began for day in (time.astimezone(zone), time, time + timedelta(days=1))]


def _newest(directory: int, parts: Sequence[str], call: Call) -> str | None:
    """The name of the newest recording with *parts* in its name."""
    patterns = [_pattern(part) for part in parts]
    found: list[tuple[int, str]] = []
    with os.scandir(directory) as entries:
        for count, entry in enumerate(entries):
            if count % _LOOK_EVERY == 0 and not call.left_s:
                return None
            if audio.has_suffix(entry.name) and all(pattern.search(entry.name) for pattern in patterns):
                facts = entry.stat(follow_symlinks=False)
                found += [(facts.st_mtime_ns, entry.name)] if entry.is_file(follow_symlinks=False) else []
    return max(found)[1] if found else None


def _pattern(part: str) -> re.Pattern[str]:
    text = re.escape(part)
    # 1700000000.1 is not in 1700000000.12; but a number is found with and without its country code.
    return re.compile(rf"(?<!\d){text}(?!\d)" if _UNIQUE_ID.fullmatch(part) else text)


def _name(arguments: Mapping[str, Json]) -> str:
    return os.path.basename(str(arguments["path"]))


def _parts_told(arguments: Mapping[str, Json]) -> str:
    given = arguments["parts"]
    return " ".join(map(str, given)) if isinstance(given, list) else str(given)


def _pretended(arguments: Mapping[str, Json]) -> str:
    return f"{os.path.splitext(arguments['path'])[0]}.{arguments['to']}"
