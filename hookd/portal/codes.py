"""
Bitrix24's event and placement codes, as data: what each is, and which hooks may answer it.

The tables are in `events.json` and `placements.json` beside this module. A code that is in neither is no error: portals
grow, and what is unknown reaches `other`.

    ONCRMDEALUPDATE            oncrmdealupdate, crm_deal, other
    onCrmDynamicItemAdd_147    oncrmdynamicitemadd_147, oncrmdynamicitemadd, crm_dynamic_item, other
    CATALOG.PRICE.ON.ADD       catalog_price_on_add, catalog_price, other
    CRM_DYNAMIC_183_DETAIL_TAB crm_dynamic_183_detail_tab, crm_detail_tab, other
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from hookd.names import meant

OTHER = "other"  # the hook that answers what no other does
HOME = "DEFAULT"  # the page of the app itself, and of its installation
MAX_CODE_CHARACTERS = 100  # the longest known has 47; file names end at 255 bytes

_CODE = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.]{{0,{MAX_CODE_CHARACTERS - 1}}}")
_TYPED_EVENT = re.compile(r"(ONCRMDYNAMICITEM(?:ADD|UPDATE|DELETE))_[0-9]{1,9}")
_TYPED_PLACEMENT = re.compile(r"CRM_DYNAMIC_([0-9]{1,9})_([A-Z_]+)")
_ANY_TYPE = "<id>"  # stands in the table for the number of a custom type


@dataclass(frozen=True, slots=True)
class Field:
    """
    One key of an event's data or of a placement's options.

    Attributes:
        name: The key.
        type: `integer`, `string`, `number`, `boolean`, `object` or `array`; on the wire all but the last two are text.
        about: What it holds; "" where the name says it.
        is_required: Whether it always comes.
        values: What it may hold; empty where that is not limited.
    """

    name: str
    type: str
    about: str = ""
    is_required: bool = True
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Code:
    """
    One event or placement.

    Attributes:
        code: As portals write it, in capitals.
        about: A sentence on when it comes, or where it is shown.
        family: Hook that answers all codes of the same kind; "" where there is no such kind.
        scope: What the app has to be allowed; "" where nothing in particular.
        fields: The keys of its data or options.
        root: Where an event's fields are: `data.FIELDS`, or `data`; "" for a placement.
        notes: What an integrator has to know.
        is_bindable: Whether hookd may bind a placement; others are bound by methods of their own, or by nothing.
    """

    code: str
    about: str
    family: str = ""
    scope: str = ""
    fields: tuple[Field, ...] = ()
    root: str = ""
    notes: tuple[str, ...] = ()
    is_bindable: bool = True

    @property
    def name(self) -> str:
        """The name of its own hook."""
        return hook_name(self.code)


def hook_name(code: str) -> str:
    """
    Return the name of the hook for *code* alone: lower case, dots as `_`; `other` where *code* is no code at all.
    """
    if not _CODE.fullmatch(code):
        return OTHER
    name = code.lower().replace(".", "_")
    return f"code_{name}" if name[0].isdigit() else name  # a function's name cannot begin with a digit


def event(code: str) -> Code | None:
    """
    Return what is known of the event *code*, in whatever case, with or without the number of a custom type.
    """
    code = code.upper()
    typed = _TYPED_EVENT.fullmatch(code)
    return events().get(typed[1] if typed else code)


def event_hooks(code: str) -> tuple[str, ...]:
    """
    Return the names of the hooks that may answer the event *code*, the one to take first.
    """
    known = event(code)
    return _candidates(hook_name(code), known.name if known else "", known.family if known else "")


@cache
def event_hook_names() -> Mapping[str, tuple[Code, ...]]:
    """
    Return the names that hooks of known events may have, and the events that each answers.
    """
    found: dict[str, list[Code]] = {}
    for known in events().values():
        for name in event_hooks(known.code):
            found.setdefault(name, []).append(known)
    return MappingProxyType({name: tuple(answered) for name, answered in found.items()})


def unknown_event(hook: str) -> tuple[str, str] | None:
    """
    Return what is to be said of the name *hook* of a hook of events, and what to do, where nobody knows an event of
    that name: portals grow, but fingers slip more often. None where it is known.
    """
    known = event_hook_names()
    if event(hook) or hook in known:
        return None
    remedy = f"A code in lower case, dots as _; a family, such as crm_lead; or {OTHER}."
    return f"no event of this name is known{meant(hook, known)}", remedy


def placement(code: str) -> Code | None:
    """
    Return what is known of the placement *code*; a custom type's number stands for any.
    """
    code = code.upper()
    typed = _TYPED_PLACEMENT.fullmatch(code)
    return placements().get(f"CRM_DYNAMIC_{_ANY_TYPE}_{typed[2]}" if typed else code)


def placement_hooks(code: str) -> tuple[str, ...]:
    """
    Return the names of the hooks that may answer the placement *code*, the one to take first.
    """
    known = placement(code)
    return _candidates(hook_name(code), known.family if known else "")


def entity_type_id(code: str) -> int | None:
    """
    Return the number of the custom type that *code* is of, which stands nowhere else; None where it is of none.
    """
    typed = _TYPED_PLACEMENT.fullmatch(code.upper())
    return int(typed[1]) if typed else None


@cache
def events() -> Mapping[str, Code]:
    """Return all known events by their codes."""
    return _table("events.json", "fields")


@cache
def placements() -> Mapping[str, Code]:
    """Return all known placements by their codes; `<id>` stands for the number of a custom type."""
    return _table("placements.json", "options")


def _candidates(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in (*names, OTHER) if name))


def _table(file: str, fields: str) -> Mapping[str, Code]:
    rows = json.loads((resources.files("hookd.portal") / file).read_text("utf-8"))["codes"]
    return MappingProxyType({row["code"]: _code(row, fields) for row in rows})


def _code(row: Mapping[str, Any], fields: str) -> Code:
    return Code(
        row["code"],
        row["about"],
        family=row["family"],
        scope=row["scope"],
        fields=tuple(_field(name, known) for name, known in row[fields].items()),
        root=row.get("root", "data.FIELDS") if fields == "fields" else "",
        notes=tuple(row.get("notes", ())),
        is_bindable=row.get("bindable", True),
    )


def _field(name: str, row: Mapping[str, Any]) -> Field:
    return Field(
        name, row["type"], row["about"], is_required=not row.get("optional"), values=tuple(row.get("values", ()))
    )
