"""
Tests of hooks are files: `hooks/tests/<point>/<case>.json`, one request and what is expected of it.

    {"sample": "incoming-missed", "set": {"STATUS_CODE": "486"}, "settings": {"owner": 17}, "outcome": "ok",
     "reply": {"USER_ID": 17, …}}

A case names its request: a sample, or the whole request, with single values set; a case of a job, which lies in
`hooks/tests/jobs/<name>/`, names its payload, or the whole job; one of events lies in `hooks/tests/events/<name>/`, and
its request may be what a portal posts; one of a page lies in `hooks/tests/placements/<name>/`, and its `page` are texts
that stand in it. Its `settings` replace the table that the site has for the hook, so that a test says the same
tomorrow; without them the site's apply. `now` stops the hook's clock, and tools are not called: `tools` has what they
answer (`answers`). Of the run only what the case names is compared.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hookd import answers, contract, documents, samples
from hookd.answers import Recorded, Replay
from hookd.differences import MISSING, Difference, differences
from hookd.documents import Json
from hookd.errors import ContractError, EnvelopeError, NotJsonError, Problem, SampleError
from hookd.jobs import example
from hookd.names import meant
from hookd.points import ALIASES, JOBS, KINDS, PLACEMENTS, POINTS, Point, Unchanged, point_of
from hookd.portal import openings
from hookd.portal import samples as events
from hookd.runner import Runner
from hookd.runs import Run
from hookd.sites import Site

FOLDER = "tests"  # below the hooks directory
OUTCOMES = ("ok", "unchanged", "cancelled", "fallback")
REASONS = (
    *("no_hook", "timeout", "crash", "memory", "violation", "error", "contract"),
    *("load", "busy", "paused", "quarantined", "isolation", "internal", "stopping"),
)

_LINE = re.compile(r"line (\d+), ")  # what documents.parse says first of the place


@dataclass(frozen=True, slots=True)
class Case:
    """
    One test of a hook.

    Attributes:
        name: The file's name without its suffix.
        file: Path relative to the hooks directory.
        request: The body to post.
        settings: Instead of the site's settings for the hook; None leaves those.
        now: ISO time at which the hook's clock stands still, or None.
        tools: What tools answer.
        expected: What the case names of outcome, reason, reply (its data), print and warnings.
    """

    point: Point
    name: str
    file: str
    request: Json
    settings: Mapping[str, Json] | None
    now: str | None
    tools: tuple[Recorded, ...]
    expected: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Result:
    """
    What came of a case: it passed where nothing differs.
    """

    case: Case
    run: Run
    differences: tuple[Difference, ...]


def load(directory: Path) -> list[Case]:
    """
    Return the cases below *directory*, a site's `hooks/tests`, by point and name; it may not exist.

    Raises:
        SampleError: Files that are no cases, one line for every fault.
    """
    cases, problems = read(directory)
    if problems:
        raise SampleError("\n".join(map(str, problems)))
    return cases


def read(directory: Path) -> tuple[list[Case], list[Problem]]:
    """
    Return the cases below *directory* as `load` does, and what is wrong with the files that are none.
    """
    cases: list[Case] = []
    problems: list[Problem] = []
    for path in sorted(directory.rglob("*.json")):
        parts = path.relative_to(directory).parts
        if any(part.startswith(".") for part in parts):
            continue
        file = "/".join((FOLDER, *parts))
        try:
            cases.append(_read_case(path, file, parts))
        except _Faults as faults:
            problems += faults.problems
    return cases, problems


def sample_names(point: Point) -> list[str]:
    """
    Return the names of the samples that there are of *point*; a job has none.
    """
    if point.is_job:
        return []
    if point.is_placement:
        return openings.names(point.entry)
    return events.names(point.entry) if point.is_event else samples.names(point)


def sample(point: Point, name: str) -> dict[str, Json]:
    """
    Return the sample *name* of *point*, the caller's own to change.

    Raises:
        SampleError: There is none; lists those that there are.
    """
    if point.is_placement:
        return openings.sample(point.entry, name)
    return events.sample(point.entry, name) if point.is_event else samples.sample(point, name)


def changed(body: Json, changes: Mapping[str, Json]) -> Json:
    """
    Return a copy of *body* with each path of *changes* set in the request, which may be wrapped in `params`.

    Raises:
        SampleError: A path leads nowhere; says what is there.
    """
    if not isinstance(body, dict):
        return body  # no request: whoever reads it says so
    if isinstance(body.get("params"), dict):
        return {**body, "params": samples.laid_over(body["params"], changes)}
    return samples.laid_over(body, changes)


async def run(runner: Runner, site: Site, case: Case, *, started: float) -> Result:
    """
    Run *case* on *site*'s hook, and compare; *started* is the event loop's time.
    """
    replay = Replay(case.tools)
    ended = await runner.run(
        site, case.point, case.request, started=started, settings=case.settings, now=case.now, stand_in=replay
    )
    return Result(case, ended, (*compare(case, observed(ended)), *replay.differences()))


def observed(run: Run) -> dict[str, Json]:
    """
    Return of *run* what a case can expect.
    """
    found: dict[str, Json] = {
        "outcome": run.outcome,
        "print": run.printed,
        "warnings": [str(warning) for warning in run.warnings],
    }
    if run.reason:
        found["reason"] = run.reason
    if "data" in run.reply:
        data: Json = run.reply["data"]
        found["reply"] = data
        if run.point.startswith(f"{PLACEMENTS}/"):
            # What the hook returned, and what became of it: nobody wants to write a whole page into a case.
            found["page"] = data["html"]
            found["reply"] = {key: data[key] for key in ("template", "context", "title")}
    return found


def expecting(run: Run, request: Json, *, settings: Mapping[str, Json], now: str) -> dict[str, Json]:
    """
    Return the file of a case that expects of *request*, with these settings at this time, what *run* came to.
    """
    found = observed(run)
    case: dict[str, Json] = {"request": request, "settings": dict(settings), "now": now}
    recorded = answers.pretended(run.calls)
    if recorded:
        case["tools"] = recorded
    return case | {key: found[key] for key in ("outcome", "reason", "reply") if key in found}


def compare(case: Case, found: Mapping[str, Json]) -> Iterator[Difference]:
    """
    Yield where *found*, shaped as `observed` returns it, is not what *case* expects; paths point into the case.
    """
    for key, expected in case.expected.items():
        actual = found.get(key, MISSING)
        if key == "print":
            yield from _compare_text("/print", expected, actual)
        elif key == "page":
            for index, text in enumerate(expected):
                yield from _compare_text(f"/page/{index}", text, actual)
        elif key == "warnings" and isinstance(actual, list):
            yield from _compare_warnings(expected, actual)
        else:
            yield from differences(expected, actual, (key,))


def _compare_text(path: str, expected: Json, actual: Json) -> Iterator[Difference]:
    if not isinstance(actual, str) or expected not in actual:
        yield Difference(path, expected, actual, is_part=True)


def _compare_warnings(expected: list[str], actual: list[str]) -> Iterator[Difference]:
    for index in range(max(len(expected), len(actual))):
        path = f"/warnings/{index}"
        if index >= len(expected):
            yield Difference(path, MISSING, actual[index])
        else:
            yield from _compare_text(path, expected[index], actual[index] if index < len(actual) else MISSING)


# ---- reading a file --------------------------------------------------------------------------------------------


class _Faults(Exception):
    """What is wrong with one file."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems


def _read_case(path: Path, file: str, parts: tuple[str, ...]) -> Case:
    point = _point(file, parts)
    table = _table(path, file, point)
    problems = [Problem(file, 0, *fault) for fault in _faults(point, table)]
    if problems:
        raise _Faults(problems)
    return Case(
        point=point,
        name=path.stem,
        file=file,
        request=_request(point, table, file),
        settings=table.get("settings"),
        now=table.get("now"),
        tools=answers.read(table.get("tools", [])),
        expected={key: table[key] for key in _EXPECTATIONS if key in table},
    )


def _point(file: str, parts: tuple[str, ...]) -> Point:
    name = parts[0]
    if name in KINDS:
        return _other(file, parts)
    if len(parts) == 2 and name in POINTS:
        return POINTS[name]
    if len(parts) == 1:
        raise _Faults(
            [Problem(file, 0, "a case lies in the directory of its point.", f"Move it to {FOLDER}/<point>/.")]
        )
    if name in POINTS:
        raise _Faults([Problem(file, 0, "a case lies right in the directory of its point.", "Move it one level up.")])
    if name in ALIASES:
        raise _Faults([Problem(file, 0, f"{name} is an old name.", f"Call the directory {ALIASES[name]}.")])
    raise _Faults([Problem(file, 0, f"{name} is no point{meant(name, POINTS)}", f"Points: {', '.join(POINTS)}.")])


def _other(file: str, parts: tuple[str, ...]) -> Point:
    point = point_of("/".join(parts[:2])) if len(parts) == 3 else None
    if point is None:
        remedy = f"Move it to {FOLDER}/{parts[0]}/<name>/."
        raise _Faults([Problem(file, 0, f"a case of {_PLACES[parts[0]]}.", remedy)])
    return point


def _table(path: Path, file: str, point: Point) -> dict[str, Json]:
    try:
        table = documents.parse(path.read_bytes())
    except OSError as error:
        raise _Faults([Problem(file, 0, f"cannot be read: {error.strerror}.")]) from error
    except NotJsonError as error:
        raise _Faults([not_json(file, error)]) from error
    if not isinstance(table, dict):
        raise _Faults([Problem(file, 0, "a case is a JSON object.", f"Keys: {', '.join(_known(point))}.")])
    return table


def not_json(file: str, error: NotJsonError) -> Problem:
    """
    Return *error* as a problem in *file*, at its line.
    """
    found = _LINE.match(str(error))
    line = int(found.group(1)) if found else 0
    return Problem(file, line, f"is no JSON: {str(error)[found.end() if found else 0 :]}.")


def _faults(point: Point, table: dict[str, Json]) -> Iterator[tuple[str, str]]:
    known = _known(point)
    unknown = [key for key in table if key not in known]
    for key in unknown:
        yield f"{key}: there is no such key{meant(key, known)}", f"Keys: {', '.join(known)}."
    if unknown:
        return  # what seems to be missing may just be mistyped
    for key, value in table.items():
        is_right, expected = _KEYS[key]
        if not is_right(value):
            yield f"{key}: {expected} expected.", ""
    if _is_list(table.get("tools")):
        try:
            answers.read(table["tools"])
        except ValueError as error:
            yield str(error), ""
    if point.is_job and ("payload" in table) == ("request" in table):
        yield "the payload is missing or named twice.", 'Write "payload": {…}, or "request" with the whole job.'
    elif not point.is_job and ("sample" in table) == ("request" in table):
        yield "the request is missing or named twice.", 'Write either "sample": "incoming" or "request": {…}.'
    if not any(key in table for key in ("outcome", "reply", "page")):
        yield "nothing is expected.", 'Write "outcome", "reply" or both.'
    if "reply" in table and point.unchanged is Unchanged.NOTHING and not point.is_placement:
        yield "reply: this point's reply has no data.", 'Leave it out and write "outcome".'


def _known(point: Point) -> list[str]:
    """The keys that a case of *point* may have."""
    return [key for key in _KEYS if key not in _NOT_OF[point.kind]]


def _request(point: Point, table: dict[str, Json], file: str) -> Json:
    try:
        if "payload" in table:
            request = example(point.name.removeprefix(f"{JOBS}/"), table["payload"])
        else:
            request = sample(point, table["sample"]) if "sample" in table else table["request"]
        if point.is_event:
            request = events.of_event(request)
        request = changed(request, table.get("set", {}))
        contract.read_request(point, request)
    except (SampleError, EnvelopeError) as error:
        raise _Faults([Problem(file, 0, str(error))]) from error
    except ContractError as error:
        message = "the request has no valid reply: "
        raise _Faults([Problem(file, 0, f"{message}{violation}") for violation in error.violations]) from error
    return request


def _is_object(value: Json) -> bool:
    return isinstance(value, dict)


def _is_text(value: Json) -> bool:
    return isinstance(value, str)


def is_time(value: Json) -> bool:
    """
    Return whether *value* is a time in ISO form.
    """
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_list(value: Json) -> bool:
    return isinstance(value, list)


def _is_texts(value: Json) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


# Key of a case → whether a value is right, and what it has to be.
_KEYS: Mapping[str, tuple[Callable[[Json], bool], str]] = {
    "sample": (_is_text, "the name of a sample is"),
    "payload": (lambda value: True, ""),
    "request": (_is_object, "an object, the whole request, is"),
    "set": (_is_object, 'an object of paths and values, such as {"call_full.channel.type": "incoming"}, is'),
    "settings": (_is_object, "an object, the hook's whole table of settings, is"),
    "now": (is_time, 'a time such as "2026-03-02T10:00:00+03:00" is'),
    "tools": (_is_list, 'a list of recorded answers, such as [{"call": "http.get", "answer": {…}}], is'),
    "outcome": (lambda value: value in OUTCOMES, f"one of {', '.join(OUTCOMES)} is"),
    "reason": (lambda value: value in REASONS, f"one of {', '.join(REASONS)} is"),
    "reply": (lambda value: True, ""),
    "print": (_is_text, "a text that is printed is"),
    "page": (_is_texts, "a list of texts that stand in the page is"),
    "warnings": (_is_texts, "a list with a text for each warning is"),
}
# What a hook is for → the keys that its cases do not have.
_NOT_OF: Mapping[str, tuple[str, ...]] = {
    "point": ("payload", "page"),
    "job": ("sample", "reply", "page"),
    "event": ("payload", "reply", "page"),
    "placement": ("payload",),
}
_PLACES = {
    "jobs": "a job lies in the directory of that job",
    "events": "an event lies in the directory of its hook",
    "placements": "a placement lies in the directory of its hook",
}
_EXPECTATIONS = ("outcome", "reason", "reply", "print", "page", "warnings")
