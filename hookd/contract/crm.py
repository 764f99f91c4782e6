"""
What the CRM knows of its objects' fields: warnings about what it would silently ignore, or repeat.

The names are data, in `schemas/crm_fields.json`. They only ever warn: a portal has fields of its own, and a newer one
may know more than that table.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from hookd.contract.findings import Findings, Place
from hookd.contract.schema import load
from hookd.documents import Json
from hookd.names import nearest

# The object that a point writes to. Where a point is missing, it is the call's own lead or contact.
OBJECTS: Mapping[str, str] = MappingProxyType(
    {
        "customize_activity": "activity",
        "customize_attach_record_url": "activity",
        "process_task_creation_params": "task",
    }
)
ENTITIES = ("lead", "contact")
MULTIPLE = frozenset({"PHONE", "EMAIL", "WEB", "IM", "LINK"})  # the CRM adds items without an ID to what is there


@dataclass(frozen=True, slots=True)
class Fields:
    """
    The fields of one kind of object, or of several together.

    Attributes:
        object: The kind, in words and with its article.
        names: Documented names.
        read_only: Those of them that the CRM keeps itself.
        own: What the names of a portal's own fields look like.
    """

    object: str
    names: frozenset[str]
    read_only: frozenset[str]
    own: tuple[re.Pattern[str], ...]

    def knows(self, name: str) -> bool:
        """Return whether *name* is documented or may be one of the portal's own."""
        return name in self.names or any(pattern.search(name) for pattern in self.own)


def fields(point: str, request: Mapping[str, Json]) -> Fields:
    """
    Return the fields of the object that *point* writes to, which may depend on the *request*.
    """
    if point in OBJECTS:
        return _fields_of(OBJECTS[point])
    call = request.get("call_full")
    entity = call.get("entity") if isinstance(call, dict) else None
    kind = entity.get("type") if isinstance(entity, dict) else None
    return _fields_of(kind) if kind in ENTITIES else _fields_of(*ENTITIES)


def warn(known: Fields, values: Mapping[str, Json], place: Place, found: Findings) -> None:
    """
    Add to *found* what the CRM would ignore or repeat of the *values* that a hook sets in the object at *place*.
    """
    for name, value in values.items():
        if not known.knows(name):
            found.add((*place, name), lambda name=name: _unknown(known, name))  # type: ignore[misc]
        elif name in known.read_only:
            found.add((*place, name), lambda: f"the CRM keeps this field of {known.object} itself and ignores yours.")
        elif name in MULTIPLE:
            _warn_of_repeats(value, (*place, name), found)


@cache
def _fields_of(*objects: str) -> Fields:
    known = [load("crm_fields")["$defs"][each] for each in objects]
    settable = {name for each in known for name, row in each["properties"].items() if not row.get("readOnly")}
    names = frozenset(name for each in known for name in each["properties"])
    patterns = dict.fromkeys(pattern for each in known for pattern in each["patternProperties"])
    return Fields(
        " or ".join(f"{'an' if each[0] == 'a' else 'a'} {each}" for each in objects),
        names,
        names - settable,
        tuple(map(re.compile, patterns)),
    )


def _unknown(known: Fields, name: str) -> str:
    meant = nearest(name, known.names - known.read_only)
    hint = f"; did you mean {meant}?" if meant else "."
    return f"the CRM's reference has no such field of {known.object}{hint} The CRM ignores what it does not know."


def _warn_of_repeats(items: Json, place: Place, found: Findings) -> None:
    numbered = items.items() if isinstance(items, dict) else enumerate(items) if isinstance(items, list) else ()
    for part, item in numbered:
        if not (isinstance(item, dict) and item.get("ID")):
            found.add(
                (*place, part), lambda: "without an ID the CRM adds this value anew after every call. Set its ID."
            )
