"""
What a hook may call of the tools that act outside of its worker: methods, their arguments, and what these may be.

Data that both sides walk: the worker turns a call into plain arguments and tells the hook what is wrong with it, the
broker looks at them again, by exact type, since what a worker sends may come from a hook that has taken it over.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from hookd.sandbox.pure import ToolError

Json = Any

CALLS_MAX = 50  # of one run: a hook that needs more should ask for more at once
ARGUMENT_BYTES = 1_048_576  # of the arguments of a call, as JSON
SECONDS_MAX = 10 * 366 * 86_400.0  # ten years, for what is kept
INTEGER_MAX = 2**53  # what every JSON parser reads exactly

_NAME_CHARACTERS = 60  # compared and shown
_NEAR_ENOUGH = 0.8  # timeout and timeout_s; what is less alike may well be meant
_SENT_ALL_THE_SAME = 'If the method has such a parameter, hand over a dict: bitrix.call("…", {"name": …}).'
_ANY = "any plain value"
_WORDS: Mapping[type, str] = {
    str: "text",
    int: "an integer",
    float: "a number",
    bool: "True or False",
    dict: "a dict",
    list: "a list",
    type(None): "None",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """
    One argument of a method.

    Attributes:
        types: Exact types of its values; none is any plain value. None is allowed where it is the default.
        is_required: Whether there is no default.
        default: What is sent where the hook names nothing.
        low: Least value of a number; fewest characters of a text.
        high: Greatest value of a number; most characters of a text.
        is_rest: Whether it is a dict that takes all that is named otherwise; it may be handed over whole, by place.
    """

    name: str
    types: tuple[type, ...] = ()
    is_required: bool = False
    default: Json = None
    low: float = -math.inf
    high: float = math.inf
    is_rest: bool = False

    def fault(self, value: Json) -> str:
        """Return what is expected instead of *value*, or ""."""
        if value is None and not self.is_required and self.default is None:
            return ""
        if not self.types:
            return ""
        if type(value) not in self.types:
            return f"{self.expected}, not {'None' if value is None else type(value).__name__}"
        size = len(value) if type(value) is str else value if type(value) in (int, float) else None
        if size is not None and not self.low <= size <= self.high:
            return f"{self.expected}{self._bounds(is_text=type(value) is str)}"
        return ""

    @property
    def expected(self) -> str:
        """What it takes, in words."""
        return " or ".join(dict.fromkeys(_WORDS[kind] for kind in self.types)) or _ANY

    def _bounds(self, *, is_text: bool) -> str:
        unit = " characters" if is_text else ""
        return f" from {self.low:.15g} to {self.high:.15g}{unit}"


_SECONDS = (int, float)
_KEY = Parameter("key", (str,), is_required=True, low=1, high=200)
_VALUE = Parameter("value", is_required=True)
_TTL = Parameter("ttl_s", _SECONDS, low=1, high=SECONDS_MAX)
_NUMBER = (str, int, type(None))
_LIST = Parameter("name", (str,), is_required=True, low=1, high=100)
_PATH = Parameter("path", (str,), is_required=True, low=1, high=4096)
_NEAR = Parameter("near", (str,), low=1, high=4096)
_METHOD = Parameter("method", (str,), is_required=True, low=1, high=200)
_PARAMS = Parameter("params", (dict,), is_rest=True)
_WAIT = Parameter("timeout_s", _SECONDS, low=0.01, high=60)
_REQUEST = (
    Parameter("url", (str,), is_required=True, low=1, high=8192),
    Parameter("params", (dict,)),
    Parameter("json"),
    Parameter("data", (str, dict)),
    Parameter("headers", (dict,)),
    _WAIT,
)

# Tool → method → parameters, in their order.
SIGNATURES: Mapping[str, Mapping[str, tuple[Parameter, ...]]] = MappingProxyType(
    {
        "bitrix": {
            "call": (_METHOD, _PARAMS, _WAIT),
            "batch": (
                Parameter("calls", (dict, list), is_required=True),
                Parameter("strict", (bool,), default=True),
                _WAIT,
            ),
            "list": (_METHOD, _PARAMS, Parameter("limit", (int,), default=500, low=1, high=5000), _WAIT),
        },
        "http": dict.fromkeys(("get", "post", "put", "patch", "delete"), _REQUEST),
        "jobs": {
            "enqueue": (
                Parameter("name", (str,), is_required=True, low=1, high=63),
                Parameter("payload"),
                Parameter("delay_s", _SECONDS, default=0, low=0, high=30 * 86_400),
                Parameter("key", (str,), low=1, high=200),
            ),
        },
        "lists": {
            "contains": (_LIST, Parameter("number", _NUMBER, is_required=True, high=INTEGER_MAX)),
            "lookup": (_LIST, Parameter("key", _NUMBER, is_required=True, high=INTEGER_MAX), Parameter("default")),
        },
        "records": {
            "exists": (_PATH,),
            "find": (Parameter("parts", (str, list), is_required=True, low=1, high=200), _NEAR),
            "convert": (
                _PATH,
                Parameter("to", (str,), default="mp3", low=1, high=10),
                Parameter("bitrate", (int,), low=1, high=1000),
            ),
        },
        "store": {
            "get": (_KEY, Parameter("default")),
            "set": (_KEY, _VALUE, _TTL),
            "delete": (_KEY,),
            "incr": (_KEY, Parameter("by", (int,), default=1, low=-INTEGER_MAX, high=INTEGER_MAX), _TTL),
            "add_if_absent": (_KEY, _VALUE, _TTL),
        },
    }
)


def bind(tool: str, method: str, values: Sequence[Json], named: Mapping[str, Json]) -> dict[str, Json]:
    """
    Return the arguments of a call by name, defaults included.

    Raises:
        ToolError: They do not fit; says what does.
    """
    parameters = SIGNATURES[tool][method]
    call = f"{tool}.{method}"
    if len(values) > len(parameters):
        raise ToolError(f"{call} takes {len(parameters)} values at most, not {len(values)}.", shown(tool, method))
    given = {parameter.name: value for parameter, value in zip(parameters, values, strict=False)}
    rest = next((parameter.name for parameter in parameters if parameter.is_rest), None)
    if rest:
        named = _gathered(call, rest, given, named, parameters)
    for name in named:
        _check_name(call, name, given, parameters, shown(tool, method))
    given.update(named)
    for parameter in parameters:
        if parameter.name not in given:
            if parameter.is_required:
                raise ToolError(f"{call} is called without {parameter.name}.", shown(tool, method))
            given[parameter.name] = parameter.default
        fault = parameter.fault(given[parameter.name])
        if fault:
            raise ToolError(f"{call}: {parameter.name} is {fault}.", shown(tool, method))
    return given


def is_valid(tool: str, method: str, arguments: Json) -> bool:
    """
    Whether *arguments*, as they came from a worker, are what `bind` makes of a call.
    """
    parameters = SIGNATURES.get(tool, {}).get(method)
    if parameters is None or type(arguments) is not dict:
        return False
    names = {parameter.name for parameter in parameters}
    return arguments.keys() == names and not any(parameter.fault(arguments[parameter.name]) for parameter in parameters)


def shown(tool: str, method: str) -> str:
    """
    Return how *method* is written: "Write http.get(url, params=None, …)."
    """
    parts = [
        parameter.name if parameter.is_required else f"{parameter.name}={parameter.default!r}"
        for parameter in SIGNATURES[tool][method]
        if not parameter.is_rest
    ]
    parts += [f"**{parameter.name}" for parameter in SIGNATURES[tool][method] if parameter.is_rest]
    return f"Write {tool}.{method}({', '.join(parts)})."


def _gathered(
    call: str, rest: str, given: dict[str, Json], named: Mapping[str, Json], parameters: Sequence[Parameter]
) -> dict[str, Json]:
    """The arguments of *named* that the method itself takes; the others go into *rest*, which may be given already."""
    own = [parameter.name for parameter in parameters if not parameter.is_rest and parameter.name not in given]
    whole = given.get(rest)
    others: dict[str, Json] = dict(whole) if type(whole) is dict else {}
    for name, value in named.items():
        if name in own:
            continue
        near = get_close_matches(name[:_NAME_CHARACTERS], own, n=1, cutoff=_NEAR_ENOUGH)
        if near and near[0] not in named:  # it would go out, and mean nothing there
            raise ToolError(f"{call} has no {name[:_NAME_CHARACTERS]}; did you mean {near[0]}?", _SENT_ALL_THE_SAME)
        if name in others:
            raise ToolError(f"{call} is given {name[:_NAME_CHARACTERS]} twice.", "Name it, or have it in the dict.")
        others[name] = value
    if others and (whole is None or type(whole) is dict):
        given[rest] = others
    return {name: value for name, value in named.items() if name in own}


def _check_name(call: str, name: str, given: Mapping[str, Json], parameters: Sequence[Parameter], remedy: str) -> None:
    names = [parameter.name for parameter in parameters]
    if name not in names:
        near = get_close_matches(name[:_NAME_CHARACTERS], names, n=1)
        question = f"; did you mean {near[0]}?" if near else "."
        raise ToolError(f"{call} has no {name[:_NAME_CHARACTERS]}{question}", remedy)
    if name in given:
        raise ToolError(f"{call} is given {name} twice.", remedy)
