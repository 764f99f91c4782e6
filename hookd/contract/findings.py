"""
What is wrong with a document, in plain words.

jsonschema tells a machine which rule a value breaks. People are told the value, the rule with what it allows, and,
if it is their own hook that set it, what to write instead. They know their telephone system, not JSON Schema.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal

from jsonschema import ValidationError

from hookd.documents import Json, pointer
from hookd.errors import Violation
from hookd.names import meant

Side = Literal["request", "reply"]
Place = tuple[str | int, ...]  # the parts of a JSON Pointer

LIMIT = 100  # violations that are told of one document; nobody reads more
SHOWN_CHARACTERS = 60  # of a value in a message

# What the patterns of the schemas ask for, which a pattern says to machines only.
PATTERNS: Mapping[str, str] = MappingProxyType(
    {
        r"^[0-9]+(?![\s\S])": "digits only are allowed",
        r"^[^\u0000\n\r]*(?![\s\S])": "no line break and no NUL are allowed, since it goes into a line protocol",
        r"^[^\u0000]*(?![\s\S])": "no NUL is allowed",
        r"^[A-Za-z0-9][A-Za-z0-9_.]*(?![\s\S])": "letters, digits, dots and _ only are allowed",
        r"^CRM_(LEAD|DEAL|CONTACT|COMPANY|QUOTE|SMART_INVOICE|ORDER|DYNAMIC_[0-9]{1,9})_DETAIL_ACTIVITY(?![\s\S])": (
            "CRM_, the kind of object and _DETAIL_ACTIVITY are expected"
        ),
        r"^[A-Z][A-Z0-9_]*(?![\s\S])": "names of CRM fields have capital letters, digits and _ only",
    }
)


class Findings:
    """
    Violations as they are found: the first `LIMIT` in words, and how many more there were.

    A hostile document can hold a million of them; the words are made only for those that are told.
    """

    def __init__(self) -> None:
        self._kept: list[Violation] = []
        self._more = 0

    def __bool__(self) -> bool:
        return bool(self._kept)

    def add(self, place: Place, message: Callable[[], str]) -> None:
        """Keep what is wrong at *place*; *message* is called only if it is told."""
        if len(self._kept) < LIMIT:
            self._kept.append(Violation(pointer(place), message()))
        else:
            self._more += 1

    def add_errors(self, errors: Iterable[ValidationError], side: Side, place: Place = ()) -> None:
        """Keep what jsonschema found in the value at *place*."""
        for error in errors:
            for inner, message in _told(error, side):
                self.add((*place, *inner), message)

    def violations(self) -> tuple[Violation, ...]:
        """Return all that was kept, and a last one that counts the rest."""
        rest = [Violation("", f"and {self._more} more violations")] if self._more else []
        return (*self._kept, *rest)


def missing_key(schema: Mapping[str, Json]) -> str:
    """
    Return the message for a required key that is not there.
    """
    return f"missing; allowed: {allowed_types(schema)}." if "type" in schema else "missing."


def missing_path(names: Iterable[str]) -> str:
    """
    Return the message for a path that is under none of the *names* it may come under.
    """
    return f"missing; a string is required, under one of: {', '.join(names)}."


def unknown_key(name: str, known: Collection[str]) -> str:
    """
    Return the message for a key that is none of the *known* ones.
    """
    if not known:
        return "this point has no keys. Leave it out."
    return f"this point has no such key{meant(name, known)} Keys: {', '.join(sorted(known))}."


def shown(value: Json) -> str:
    """
    Return *value* as JSON, shortened to `SHOWN_CHARACTERS`; a large one is not written out for that.
    """
    text = ""
    for part in _WRITER.iterencode(value):
        text += part[: SHOWN_CHARACTERS + 1]
        if len(text) > SHOWN_CHARACTERS:
            return text[: SHOWN_CHARACTERS - 1] + "…"
    return text


def in_python(value: Json) -> str:
    """
    Return *value*, shortened, as a hook would write it.
    """
    return repr(value) if value is None or isinstance(value, bool) else shown(value)


def kind(value: Json) -> str:
    """
    Return what *value* is, with its article.
    """
    return _KINDS.get(type(value), f"a {type(value).__name__}")


def allowed_types(schema: Mapping[str, Json]) -> str:
    """
    Return the JSON types that *schema* allows, in words.
    """
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    empty_only = schema.get("maxItems") == 0
    return _either(["[]" if name == "array" and empty_only else _TYPE_WORDS[name] for name in names])


_WRITER = json.JSONEncoder(ensure_ascii=False, default=str)

_KINDS: Mapping[type, str] = MappingProxyType(
    {
        dict: "an object",
        list: "a list",
        str: "a string",
        int: "an integer",
        float: "a number",
        bool: "a boolean",
        type(None): "null",
    }
)
_TYPE_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "object": "an object",
        "array": "a list",
        "string": "a string",
        "integer": "an integer",
        "number": "a number",
        "boolean": "a boolean",
        "null": "null",
    }
)
Told = tuple[Place, Callable[[], str]]
_Error = Any  # a ValidationError; the stubs call its attributes possibly unset, which in a found one they are not


def _told(error: _Error, side: Side) -> Iterator[Told]:
    """
    Yield the places that *error* is about, and the message for each.
    """
    place = tuple(error.absolute_path)
    if error.validator == "required":
        missing = next(name for name in error.validator_value if error.message.startswith(repr(name)))
        yield (*place, missing), lambda: missing_key(error.schema.get("properties", {}).get(missing, {}))
    elif error.validator == "anyOf":
        names = [branch["required"][0] for branch in error.validator_value]
        yield (*place, names[0]), lambda: missing_path(names)
    elif error.validator == "additionalProperties":
        known = error.schema["properties"]
        for name in error.instance:
            if name not in known:
                yield (*place, name), lambda name=name: unknown_key(name, known)  # type: ignore[misc]
    elif "propertyNames" in error.absolute_schema_path:
        yield (*place, error.instance), lambda: _said(error, side)
    else:
        yield place, lambda: _said(error, side)


def _said(error: _Error, side: Side) -> str:
    rule = _RULES.get(str(error.validator), _any_rule)(error)
    remedy = _remedy(error) if side == "reply" else ""
    return f"{shown(error.instance)} {rule}. {remedy}".rstrip()


def _type_rule(error: _Error) -> str:
    if error.instance is None:
        return f"is not allowed here; allowed: {allowed_types(error.schema)}"
    return f"is {kind(error.instance)}; allowed: {allowed_types(error.schema)}"


def _any_rule(error: _Error) -> str:
    return f"breaks the rule {error.validator}: {shown(error.validator_value)}"


_RULES: Mapping[str, Callable[[_Error], str]] = MappingProxyType(
    {
        "type": _type_rule,
        "enum": lambda error: f"is not one of: {', '.join(map(shown, error.validator_value))}",
        "minimum": lambda error: f"is too small; allowed: {error.validator_value} or more",
        "minLength": lambda error: "is empty; at least one character is needed",
        "maxLength": lambda error: f"has {len(error.instance)} characters; allowed: {error.validator_value}",
        "pattern": lambda error: f"is of a wrong form: {PATTERNS[error.validator_value]}",
        "minItems": lambda error: "is an empty list; at least one item is needed",
        "maxItems": lambda error: (
            f"has {len(error.instance)} items; allowed: {error.validator_value}"
            if error.validator_value
            else _type_rule(error)
        ),
        "maxProperties": lambda error: "has keys; allowed: none",
    }
)


def _remedy(error: _Error) -> str:
    """
    Return what the author of a hook can write instead.
    """
    near = _near(error)
    if near is not None:
        return f"Write {in_python(near)}."
    if error.validator == "pattern" and "\n" in error.instance:
        return "Use value.strip(), or cut it at the line break."
    if error.validator == "maxLength":
        return f"Cut it: value[:{error.validator_value}]."
    return "Write what is allowed, or leave the key out."


def _near(error: _Error) -> Json:
    """
    Return the allowed value that reads the same, such as "304" for 304; None if there is none.
    """
    value = error.instance
    if error.validator == "enum":
        read = str(int(value) if isinstance(value, bool) else value).strip().casefold()
        return next((one for one in error.validator_value if str(one).casefold() == read), None)
    if error.validator != "type":
        return None
    names: Any = error.validator_value
    if value in (0, 1) and names == "boolean":
        return bool(value)
    if type(value) is int and "string" in names and "integer" not in names:
        return str(value)
    if isinstance(value, str) and "integer" in names and value.strip().isascii() and value.strip().isdigit():
        return int(value)
    return None


def _either(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]
