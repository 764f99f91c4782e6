"""
What tools answer in a test of a hook: recorded in the case, so that a test says the same tomorrow and nobody is called.

    "tools": [{"call": "http.get", "arguments": {"url": "https://…"}, "answer": {"json": {"id": 17}}}, …]

A call takes the first record of its name that is left and whose arguments, those that it names, are the call's. Lists
are read as they are. A call that is not recorded fails the case, and so does a record that no call took.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hookd.differences import MISSING, Difference, differences
from hookd.documents import Json, pointer
from hookd.names import meant
from hookd.sandbox.signatures import SIGNATURES
from hookd.tools import Answer, Call, Method, ToolCall, bitrix, http

KEYS = ("call", "arguments", "answer", "error")
LOCAL = frozenset({"lists"})  # tools that are what they are in a test, too
CALLS = tuple(f"{tool}.{method}" for tool, methods in SIGNATURES.items() for method in methods if tool not in LOCAL)


@dataclass(frozen=True, slots=True)
class Recorded:
    """
    One recorded answer.

    Attributes:
        call: "http.get".
        arguments: What has to be handed over; arguments that it does not name may be anything.
        answer: What the hook gets.
        error: What it is told instead; "" where it gets the answer.
    """

    call: str
    arguments: Mapping[str, Json]
    answer: Json = None
    error: str = ""

    def fits(self, call: Call) -> bool:
        """Whether *call* is the one that was recorded."""
        given = call.arguments
        return self.call == call.name and not any(
            [*differences(expected, given[name])] for name, expected in self.arguments.items()
        )


class Replay:
    """
    Stands in for the tools in one run, with the answers of a case.
    """

    def __init__(self, recorded: tuple[Recorded, ...]) -> None:
        self._recorded = recorded
        self._left = dict(enumerate(recorded))
        self._missing: list[Json] = []

    def __call__(self, call: Call, method: Method) -> Answer | None:
        """Answer *call* as it was recorded."""
        if call.tool in LOCAL:
            return None
        index = next((index for index, recorded in self._left.items() if recorded.fits(call)), None)
        if index is None:
            self._missing.append(written(call.name, call.arguments))
            return Answer(error=_not_recorded(call))
        found = self._left.pop(index)
        return Answer(error=(found.error, "")) if found.error else Answer(found.answer)

    def differences(self) -> Iterator[Difference]:
        """
        Yield where the calls that were made are not those that are recorded; paths point into the case.
        """
        for index, left in self._left.items():
            yield Difference(pointer(("tools", index)), written(left.call, left.arguments), MISSING)
        for index, missing in enumerate(self._missing, start=len(self._recorded)):
            yield Difference(pointer(("tools", index)), MISSING, missing)


def pretend(call: Call, method: Method) -> Answer | None:
    """
    Stand in for tools that act: nothing is done, and the answer is the least that there is. What commands do.
    """
    return Answer(method.pretend(call.arguments), is_pretended=True) if method.is_acting else None


def blank(call: Call, method: Method) -> Answer | None:
    """
    Stand in for all tools but the local ones, whether they act or only look: what a case is written from.
    """
    return None if call.tool in LOCAL else Answer(method.pretend(call.arguments), is_pretended=True)


def act(call: Call, method: Method) -> None:
    """
    Stand in for nothing: the tools do what they do.
    """
    return None


def written(name: str, arguments: Mapping[str, Json]) -> dict[str, Json]:
    """
    Return how a case has the call *name* with *arguments*.
    """
    return {"call": name, "arguments": {key: value for key, value in arguments.items() if value is not None}}


def pretended(calls: list[ToolCall]) -> list[Json]:
    """
    Return what a case records for those of *calls* that were pretended, with answers for people to fill in.
    """
    return [
        {**written(f"{call.tool}.{call.method}", call.pretended), **_least(call, call.pretended)}
        for call in calls
        if call.pretended is not None
    ]


def _least(call: ToolCall, arguments: Mapping[str, Json]) -> dict[str, Json]:
    if call.tool == "bitrix":
        return {"answer": bitrix.pretended(call.method, arguments)}
    return {"answer": {}} if call.tool == "http" else {}


def read(value: Json) -> tuple[Recorded, ...]:
    """
    Return the recorded answers in *value*, the key `tools` of a case.

    Raises:
        ValueError: They are none; says what is expected, with the place.
    """
    if not isinstance(value, list):
        raise ValueError(
            'tools: a list of recorded answers, such as [{"call": "http.get", "answer": {…}}], is expected.'
        )
    return tuple(_recorded(f"tools/{index}", item) for index, item in enumerate(value))


def _recorded(place: str, item: Json) -> Recorded:
    if not isinstance(item, dict) or not isinstance(item.get("call"), str):
        raise ValueError(f'{place}: an object with a "call", such as "http.get", is expected.')
    name, arguments = item["call"], item.get("arguments", {})
    for key in item:
        if key not in KEYS:
            raise ValueError(f"{place}/{key}: there is no such key{meant(key, KEYS)} Keys: {', '.join(KEYS)}.")
    if name not in CALLS:
        raise ValueError(f"{place}/call: {name} cannot be recorded{meant(name, CALLS)} Calls: {', '.join(CALLS)}.")
    tool, _, method = name.partition(".")
    known = [parameter.name for parameter in SIGNATURES[tool][method]]
    if not isinstance(arguments, dict):
        raise ValueError(f"{place}/arguments: an object is expected.")
    for key in arguments:
        if key not in known:
            raise ValueError(f"{place}/arguments/{key}: {name} has no such argument{meant(key, known)}")
    if "error" in item:
        if not isinstance(item["error"], str) or not item["error"] or "answer" in item:
            raise ValueError(f"{place}/error: a text, and no answer beside it, is expected.")
        return Recorded(name, arguments, error=item["error"])
    return Recorded(name, arguments, _answer(place, tool, method, item.get("answer")))


def _answer(place: str, tool: str, method: str, answer: Json) -> Json:
    try:
        if tool == "bitrix":
            return bitrix.recorded(method, answer)
        return http.recorded(answer) if tool == "http" else answer
    except ValueError as error:
        raise ValueError(f"{place}/answer: {error}.") from error


def _not_recorded(call: Call) -> tuple[str, str]:
    example = '{"status": 200, "json": {}}' if call.tool == "http" else "…"
    return (
        f"{call.name} is called, and this case has no answer for it.",
        f'Write it into the case under "tools": {{"call": "{call.name}", "arguments": {{…}}, "answer": {example}}}.',
    )
