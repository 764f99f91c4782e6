"""
Hooks as integrators write them, to be run: ordinary ones with their result, refused ones with what is said of them.

A file holds one theme, a snippet starts with `### name` and ends with what is expected:

    ### last four digits
    def process_client_phone(request):
        return request["phone"][-4:]
    --> "4567"

    ### import os
    import os
    1: import os: hooks have no operating system. | settings

`-->` is followed by JSON, the result for `request()`. A refused snippet ends with its problems, one a line: line number,
part of the message, and after ` | ` part of the remedy. `lib.txt` holds the site's lib files.
"""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

Json = Any

FUNCTION = "process_client_phone"  # which every ordinary snippet defines
FILE = f"{FUNCTION}.py"

_HERE = Path(__file__).parent
_PROBLEM = re.compile(r"^(\d+): (.+?)(?: \| (.+))?$")

_REQUEST: dict[str, Json] = {
    "phone": "8 (900) 123-45-67",
    "call_stage": "conversation_requested",
    "call_full": {
        "channel": {
            "type": "incoming",
            "from": "79001234567",
            "to": "84951112233",
            "start_time": "2024-05-01 10:00:00",
            "answer_time": "2024-05-01 10:00:09",
            "end_time": "0001-01-01 00:00:00",
        },
        "user": {"id": 17, "name": "Анна Смирнова", "phones": ["101"]},
        "entity": None,
        "conversations": {
            "1714546800.1": {"extension": "101", "answered": False, "started": "2024-05-01 10:00:01"},
            "1714546800.7": {"extension": "102", "answered": True, "started": "2024-05-01 10:00:05"},
        },
    },
}


class Problem(NamedTuple):
    """What a refused snippet is told: a line, and parts of message and remedy."""

    line: int
    message: str
    remedy: str


def request() -> dict[str, Json]:
    """Return a request of its own for each run."""
    return deepcopy(_REQUEST)


def libs() -> dict[str, str]:
    """Return the lib files: name → source."""
    return dict(_snippets(_HERE / "lib.txt"))


def ordinary() -> Iterator[tuple[str, str, Json]]:
    """Yield (theme/name, source, expected result) of every ordinary snippet."""
    for file in sorted((_HERE / "ordinary").glob("*.txt")):
        for name, text in _snippets(file):
            source, _, expected = text.rpartition("\n--> ")
            yield f"{file.stem}/{name}", source + "\n", json.loads(expected)


def refused() -> Iterator[tuple[str, str, list[Problem]]]:
    """Yield (theme/name, source, problems) of every refused snippet."""
    for file in sorted((_HERE / "refused").glob("*.txt")):
        for name, text in _snippets(file):
            lines = text.rstrip("\n").split("\n")
            problems: list[Problem] = []
            while lines and (found := _PROBLEM.match(lines[-1])):
                problems.insert(0, Problem(int(found[1]), found[2], found[3] or ""))
                lines.pop()
            yield f"{file.stem}/{name}", "\n".join(lines) + "\n", problems


def _snippets(file: Path) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^### ", file.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        name, _, text = part.partition("\n")
        yield name, text.rstrip("\n") + "\n"
