"""
The tools that act outside of the worker, as a hook sees them.

Each method sends one call to the broker, which holds every right there is, and waits for its answer: the deadline of
the run goes on meanwhile. What a hook hands over is checked here, so that it is told in its own words; the broker
checks it again. A tool is the run's own: what a run leaves behind can call nothing any more.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn

import orjson

from hookd.sandbox import signatures
from hookd.sandbox.pure import ToolError

Json = Any
Message = dict[str, Any]

_SHOWN_CHARACTERS = 40  # of an answer that is no JSON


class Calls:
    """
    The calls of one run to the tools outside.

    Args:
        ask: Sends a message to the broker and returns its answer.
        plain: Returns a value as plain data, or raises what has path, message and remedy.
    """

    def __init__(self, ask: Callable[[Message], Message], plain: Callable[[Json], Json]) -> None:
        self._ask = ask
        self._plain = plain
        self._made = 0
        self._is_open = True

    def close(self) -> None:
        """
        End the run: nothing is called any more.
        """
        self._is_open = False

    def call(self, tool: str, method: str, values: tuple[Json, ...], named: Mapping[str, Json]) -> Json:
        """
        Return what *method* of *tool* answers.

        Raises:
            ToolError: The arguments do not fit, there were too many calls, or the tool could not do it.
        """
        if not self._is_open:
            raise ToolError(f"{tool}.{method}: the run is over.", "Call tools before the hook returns.")
        if self._made >= signatures.CALLS_MAX:
            raise ToolError(
                f"{tool}.{method}: a run makes {signatures.CALLS_MAX} calls at most.",
                "Ask for several things at once, or keep what you have asked for in a variable.",
            )
        arguments = self._checked(tool, method, signatures.bind(tool, method, values, named))
        self._made += 1
        message = {"t": "call", "id": self._made, "tool": tool, "method": method, "arguments": arguments}
        answer = self._ask(message)
        error = answer.get("error")
        if error:
            raise ToolError(error["message"], error["remedy"])
        return answer["value"]

    def _checked(self, tool: str, method: str, arguments: dict[str, Json]) -> dict[str, Json]:
        try:
            checked: dict[str, Json] = self._plain(arguments)
        except Exception as error:
            raise _not_plain(f"{tool}.{method}", error) from None
        if len(orjson.dumps(checked)) > signatures.ARGUMENT_BYTES:
            raise ToolError(
                f"{tool}.{method}: what is handed over is more than {signatures.ARGUMENT_BYTES} bytes.",
                "Hand over less.",
            )
        return checked


def _not_plain(call: str, error: Any) -> ToolError:
    path = error.path.lstrip("/").replace("/", ".")
    remedy = error.remedy
    if remedy.startswith("Return"):  # said of what a hook returns
        remedy = "Hand over texts, numbers, lists and dicts."
    return ToolError(f"{call}: {path}: {error.message}", remedy)


class Response:
    """
    What an HTTP server answered.

    Attributes:
        status: 200, 404, …
        ok: Whether it is below 400.
        headers: By their names in lower case.
        text: The body.
    """

    PUBLIC: ClassVar[frozenset[str]] = frozenset({"status", "ok", "headers", "text", "json", "raise_for_status"})

    __slots__ = ("_host", "headers", "ok", "status", "text")

    def __init__(self, value: Mapping[str, Json]) -> None:
        self.status: int = value["status"]
        self.ok = self.status < 400
        self.headers: dict[str, str] = value["headers"]
        self.text: str = value["text"]
        self._host: str = value["host"]

    def __repr__(self) -> str:
        return f"response {self.status} of {self._host}"

    def json(self) -> Json:
        """Return what the body is as JSON."""
        try:
            return json.loads(self.text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            start = self.text[:_SHOWN_CHARACTERS]
            found = f"begins with {start!r}" if start.strip() else "is empty"
            raise ToolError(
                f"http: {self._host} answered {self.status} with no JSON: the body {found}.",
                "Look at response.status and response.text first.",
            ) from None

    def raise_for_status(self) -> None:
        """Raise an error where the status is 400 or more."""
        if not self.ok:
            raise ToolError(
                f"http: {self._host} answered {self.status}.",
                "response.text says why, perhaps; if not response.ok: … deals with it.",
            )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


# What an answer's value is made into, where it is not used as it is.
_RESULTS: Mapping[str, Callable[[Json], object]] = {"http": Response}


class Tool:
    """
    One tool in one run; each has a class of its own, since what a hook may reach is known by class.
    """

    __slots__ = ("_calls",)

    def __init__(self, calls: Calls) -> None:
        self._calls = calls


def _tool(name: str) -> type[Tool]:
    methods = {method: _method(name, method) for method in signatures.SIGNATURES[name]}
    return type(name.capitalize(), (Tool,), {"__slots__": (), "__repr__": lambda self: f"the tool {name}", **methods})


def _method(tool: str, name: str) -> Callable[..., object]:
    result = _RESULTS.get(tool)

    def method(self: Tool, *values: Json, **named: Json) -> object:
        value = self._calls.call(tool, name, values, named)
        return result(value) if result else value

    method.__name__, method.__qualname__ = name, f"{tool}.{name}"
    return method


# Parameter name → class; and what of each a hook may reach.
TOOLS: Mapping[str, type[Tool]] = {name: _tool(name) for name in signatures.SIGNATURES}
PUBLIC: Mapping[type, frozenset[str]] = {
    **{kind: frozenset(signatures.SIGNATURES[name]) for name, kind in TOOLS.items()},
    Response: Response.PUBLIC,
}
