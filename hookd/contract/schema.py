"""
The JSON Schemas of the points: loaded, and compiled key by key.

`violations` runs a whole document through jsonschema: tests, constants in settings and tools use it. The way of a call
does not: it looks up the `Check` of each key that is there, and most values pass by their Python type alone, which the
schema allows without a further condition. Only the rest costs a run of jsonschema. A test holds both ways together.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import cast

from jsonschema import Draft202012Validator, ValidationError

from hookd.contract.findings import Findings, Side
from hookd.documents import Json
from hookd.errors import Violation

# A wheel carries the schemas inside the package, a checkout beside it.
SCHEMAS = next(
    (here for here in (parent / "schemas" for parent in Path(__file__).parents[1:3]) if here.is_dir()),
    Path(__file__).parents[1] / "schemas",
)

_APPLIES_TO: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "minLength": (str,),
        "maxLength": (str,),
        "pattern": (str,),
        "minimum": (int, float),
        "minItems": (list,),
        "maxItems": (list,),
        "items": (list,),
        "properties": (dict,),
        "additionalProperties": (dict,),
        "propertyNames": (dict,),
        "required": (dict,),
    }
)  # any other keyword is taken to concern every type
_TYPES: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "object": (dict,),
        "array": (list,),
        "string": (str,),
        "integer": (int,),  # a float may be one too: jsonschema decides
        "boolean": (bool,),
        "null": (type(None),),
    }
)
_ANNOTATIONS = frozenset({"$schema", "title", "description", "examples", "default", "readOnly", "deprecated"})
_SUBSCHEMAS = frozenset({"properties", "$defs"})  # keywords whose value maps names to schemas


@dataclass(frozen=True, slots=True)
class Check:
    """
    What one key may hold.

    Attributes:
        types: Python types whose every value passes.
        values: Further values that pass, with their type: 1 is not True.
        lengths: Lengths of strings that pass where nothing else is asked of them; None where there is more.
        schema: The schema of the key, for messages.
        validator: Decides the rest.
    """

    types: frozenset[type]
    values: frozenset[tuple[type, Json]]
    lengths: range | None
    schema: Mapping[str, Json]
    validator: Draft202012Validator

    def errors(self, value: Json) -> list[ValidationError]:
        """Return what is wrong with *value*, in document order."""
        kind = type(value)
        if kind in self.types or (self.values and kind in _SCALARS and (kind, value) in self.values):
            return []
        if kind is str and self.lengths and len(value) in self.lengths:
            return []
        return _errors(self.validator, value)


@dataclass(frozen=True, slots=True)
class Keys:
    """
    What an object may hold.

    Attributes:
        checks: The documented keys.
        names: What the name of another key has to look like; None where no other key may be.
    """

    checks: Mapping[str, Check]
    names: Check | None


def violations(point: str, side: Side, document: Json) -> list[Violation]:
    """
    Return every violation of the *side* schema of *point*, in document order.
    """
    findings = Findings()
    findings.add_errors(_errors(_validator(f"{point}.{side}"), document), side)
    return list(findings.violations())


def file_violations(name: str, document: Json) -> list[Violation]:
    """
    Return every violation of the schema file *name* (without `.json`) in what a sender sent, in document order.
    """
    findings = Findings()
    findings.add_errors(_errors(_validator(name), document), "request")
    return list(findings.violations())


@cache
def keys(point: str, side: Side, inside: str = "") -> Keys:
    """
    Return the keys of the *side* document of *point*, or of the object under its key *inside*.
    """
    root = _validator(f"{point}.{side}")
    described = load(f"{point}.{side}")
    schema: Mapping[str, Json] = root.schema  # type: ignore[assignment]  # never a boolean schema here
    if inside:
        schema, described = schema["properties"][inside], described["properties"][inside]
    known = described.get("properties", {})
    checks = {name: _check(root, schema.get("properties", {}).get(name, {}), known[name]) for name in known}
    if schema.get("additionalProperties", True) is False:
        return Keys(MappingProxyType(checks), None)
    return Keys(MappingProxyType(checks), _check(root, schema.get("propertyNames", {}), {}))


@cache
def load(name: str) -> Mapping[str, Json]:
    """
    Return the schema file *name* (without `.json`); see `check_files`.

    Raises:
        OSError: There is no such file.
    """
    schema: dict[str, Json] = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))
    return MappingProxyType(schema)


def check_files() -> None:
    """
    Check every schema file against the draft's own schema: for who doubts the installation, since it takes 0.3 s.

    Raises:
        jsonschema.SchemaError: One is no schema of draft 2020-12.
        ValueError: One is no JSON.
    """
    for path in SCHEMAS.rglob("*.json"):
        Draft202012Validator.check_schema(json.loads(path.read_text("utf-8")))


# ---- compiling -------------------------------------------------------------------------------------------------

_SCALARS = frozenset({str, int, float, bool, type(None)})


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(_assertions(dict(load(name))))


def _assertions(schema: Json) -> Json:
    """
    Return *schema* without what only describes; jsonschema walks into a described subschema to find nothing.
    """
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for keyword, value in schema.items():
        if keyword in _ANNOTATIONS:
            continue
        if keyword in _SUBSCHEMAS:
            closed = schema.get("additionalProperties") is False  # which needs the names of all
            value = {name: _assertions(sub) for name, sub in value.items()}
            value = {name: sub for name, sub in value.items() if sub or closed}
        elif isinstance(value, dict):
            value = _assertions(value)
        if value is not True and value != {}:
            kept[keyword] = value
    return kept


def _check(root: Draft202012Validator, schema: Mapping[str, Json], described: Mapping[str, Json]) -> Check:
    allowed = schema.get("type")
    names = allowed if isinstance(allowed, list) else [allowed] if allowed else list(_TYPES)
    types = {one for name in names for one in _TYPES[name]} | (set() if allowed else {float})
    for keyword in schema.keys() - {"type"}:
        types -= set(_APPLIES_TO.get(keyword, types))
    values = schema.get("enum", []) if schema.keys() <= {"enum", "type"} else []
    return Check(
        types=frozenset(types),
        values=frozenset((type(value), value) for value in values if not allowed or _has_type(value, names)),
        lengths=_lengths(schema) if "string" in names else None,
        schema=described,
        validator=cast(Draft202012Validator, root.evolve(schema=schema)),  # of the same class
    )


def _lengths(schema: Mapping[str, Json]) -> range | None:
    if not schema.keys() <= {"type", "minLength", "maxLength", "minimum", "maximum"} or "maxLength" not in schema:
        return None
    return range(schema.get("minLength", 0), schema["maxLength"] + 1)


def _has_type(value: Json, names: Iterable[str]) -> bool:
    return any(type(value) in _TYPES[name] for name in names)


def _errors(validator: Draft202012Validator, value: Json) -> list[ValidationError]:
    found = []
    for error in validator.iter_errors(value):
        found.append(error)
        if error.validator == "maxItems" and not error.absolute_path:
            break  # the schemas name it before `items`: a list that is too long is not looked into
    if len(found) < 2:
        return found
    wrong = {tuple(error.absolute_path) for error in found if error.validator == "type"}
    told = [error for error in found if error.validator == "type" or tuple(error.absolute_path) not in wrong]
    return _in_document_order(told, value)


def _in_document_order(errors: list[ValidationError], document: Json) -> list[ValidationError]:
    orders: dict[int, dict[str, int]] = {}  # of the keys of each object met, by its id()

    def position(error: ValidationError) -> tuple[int, ...]:
        found, here = [], document
        for part in error.absolute_path:
            if isinstance(part, str):
                order = orders.setdefault(id(here), {}) or {key: index for index, key in enumerate(here)}
                orders[id(here)] = order
                found.append(order[part])
            else:
                found.append(part)
            here = here[part]
        return tuple(found)

    return sorted(errors, key=position)
