"""
What `--set` means where a portal posts: forms carry text, so `fields.ID=17` is "17", as the hook gets it of a portal.
"""

from collections.abc import Mapping

from hookd import documents
from hookd.cli.arguments import Assignment
from hookd.documents import Json
from hookd.points import Point

# Kind of hook → the keys that hold what was posted, and the types that are text there. The options of a place are JSON
# in a field of the form: their ids are text, true and false are not.
_TEXT: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "event": {"data": (int, float, bool), "fields": (int, float, bool)},
    "placement": {"options": (int, float), "raw": (int, float), "form": (int, float, bool)},
}


def changes(point: Point, assignments: list[Assignment]) -> dict[str, Json]:
    """
    Return what *assignments* set in a request of *point*: path → value.
    """
    texts = _TEXT.get(point.kind, {})
    return {each.path: _value(each, texts.get(each.path.partition(".")[0], ())) for each in assignments}


def _value(each: Assignment, texts: tuple[type, ...]) -> Json:
    return each.text if type(each.value) in texts else _inner(each.value, texts)


def _inner(value: Json, texts: tuple[type, ...]) -> Json:
    if isinstance(value, dict):
        return {key: _inner(item, texts) for key, item in value.items()}
    if isinstance(value, list):
        return [_inner(item, texts) for item in value]
    return documents.dump(value).decode() if type(value) in texts else value
