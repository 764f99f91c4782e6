"""
What of hookd's knowledge stands in PHP: values as PHP writes them, and the table of points in the bridge's file.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from hookd.documents import Json
from hookd.points import POINTS, RECORD_KEYS, RECORD_POINT, Point, Unchanged

# A wheel carries the file inside the package, a checkout beside it.
ACTION = next(
    (
        file
        for file in (
            Path(__file__).parents[1] / "itgrix" / "action.php",
            Path(__file__).parents[2] / "deploy" / "itgrix" / "action.php",
        )
        if file.is_file()
    ),
    Path(__file__).parents[1] / "itgrix" / "action.php",
)
MARK = "hookd's bridge"  # in the first lines of every version of the file

_BEGIN, _END = "// points: made by", "// end"


def names(point: Point) -> tuple[str, ...]:
    """
    Return the names that *point* has in some version of the connector, the newest first.
    """
    return (point.name, *point.aliases)


def literal(value: Json) -> str:
    """
    Return *value* in PHP, in one line, as every version of PHP reads it.
    """
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(value, Mapping):
        return "array(" + ", ".join(f"{literal(key)} => {literal(item)}" for key, item in value.items()) + ")"
    if isinstance(value, list | tuple):
        return "array(" + ", ".join(map(literal, value)) + ")"
    return repr(value)


def with_points(text: str) -> str:
    """
    Return the text of the bridge's file with the table of points as it is now.
    """
    lines = text.splitlines(keepends=True)
    begin = next(number for number, line in enumerate(lines) if line.strip().startswith(_BEGIN))
    end = next(number for number, line in enumerate(lines) if number > begin and line.strip() == _END)
    indent = lines[begin].partition("//")[0]
    rows = [
        f"{indent}{literal(name)} => {literal(_row(point))},\n" for point in POINTS.values() for name in names(point)
    ]
    return "".join((*lines[: begin + 1], *rows, *lines[end:]))


def _row(point: Point) -> Json:
    if point.unchanged is Unchanged.NOTHING:
        return {}
    if point.unchanged is Unchanged.CONSTANT:
        return {"data": dict(point.constant)}
    row: dict[str, Json] = {"echo": list(point.echo)}
    if point.name == RECORD_POINT:
        row["under"] = list(RECORD_KEYS)
    if point.absent is not None:
        row["absent"] = point.absent
    return row
