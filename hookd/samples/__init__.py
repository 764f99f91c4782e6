"""
Realistic requests: what a connector asks at each point while one call goes through its stages.

A scenario says only who rings, who answers and when it ends. A moment is one second of that call, with what the
connector has found out by then. Every document is worked out from the two, so that the numbers, ids and times of a
sample agree with one another and with all other samples of the same call.

The vendor documents `call_full` two levels deep. What lies deeper (numbers, users, entities, the registration) and the
root keys of connectors before 3.13 are modelled on the nearest documented thing; hooks read them through `call`, which
bears other shapes too.
"""

import copy
import difflib
from collections.abc import Iterable, Mapping, Sequence

from hookd.documents import Json, dump
from hookd.errors import SampleError
from hookd.points import CALL_STAGES, Point
from hookd.samples.moments import is_asked, moment_of, stages
from hookd.samples.requests import document
from hookd.samples.scenarios import CLIENT_NUMBER, SCENARIOS, STAGE_WORDS, TABLE, Document

__all__ = ["CLIENT_NUMBER", "SCENARIOS", "change", "default", "describe", "laid_over", "names", "sample"]


def names(point: Point) -> list[str]:
    """
    Return the names of a point's samples: `scenario@stage`, or `scenario` where the request carries no stage.
    """
    found = []
    for scenario in TABLE:
        if is_asked(point, scenario):
            found += [f"{scenario.name}@{stage}" for stage in stages(point, scenario)] or [scenario.name]
    return found


def default(point: Point) -> str:
    """Return the name of the sample that is taken where none is named."""
    return names(point)[0]


def sample(point: Point, name: str) -> Document:
    """
    Return a request, the caller's own to change.

    Args:
        name: One of `names`, or a scenario alone: then the last stage that the point has in it.

    Raises:
        SampleError: The point has no such sample; lists those that it has, nearest first.
    """
    known = names(point)
    matches = [full for full in known if name in (full, _scenario_of(full))]
    if not matches:
        raise SampleError(_unknown(f"{point.name}: sample", name, known))
    scenario_name, _, stage = matches[-1].partition("@")
    scenario = SCENARIOS[scenario_name]
    return document(point, scenario, moment_of(point, scenario, stage or CALL_STAGES[-1]))


def describe(name: str) -> str:
    """
    Return one line on what happens in a sample, with or without a stage.

    Raises:
        SampleError: There is no such scenario, or it has no such stage.
    """
    scenario_name, at, stage = name.partition("@")
    scenario = SCENARIOS.get(scenario_name)
    if scenario is None:
        raise SampleError(_unknown("scenario", scenario_name, SCENARIOS))
    if not at:
        return scenario.summary
    if stage not in scenario.stages:
        known = [f"{scenario_name}@{known}" for known in scenario.stages]
        raise SampleError(_unknown("sample", name, known or [scenario_name]))
    return f"{scenario.summary} Asked when {STAGE_WORDS[stage]}."


def change(document: Document, path: str, value: Json) -> None:
    """
    Set one value of a document in place, as `--set a.b=value` does.

    Args:
        path: Keys and list indexes (from 0) with dots between them. A key that has dots itself, such as the id of a
            conversation, is found if it is there. Missing keys of objects are created.
        value: Copied.

    Raises:
        SampleError: The path is empty or leads through something that has no such place; says what is there.
    """
    steps = path.split(".")
    if not all(steps):
        raise SampleError(f'set "{path}": a path is keys with one dot between them, for example call_full.is_ivr.')
    place: Json = document
    done: list[str] = []
    while True:
        key, steps = _step(place, steps, path=path, done=done)
        if not steps:
            place[key] = copy.deepcopy(value)
            return
        place = place.setdefault(key, {}) if isinstance(place, dict) else place[key]
        done.append(str(key))


def laid_over(document: Document, changes: Mapping[str, Json]) -> Document:
    """
    Return a copy of a document with each path of *changes* set, in their order; for the "set" of a test case.

    Raises:
        SampleError: As `change`.
    """
    changed = copy.deepcopy(document)
    for path, value in changes.items():
        change(changed, path, value)
    return changed


def _step(place: Json, steps: Sequence[str], *, path: str, done: Sequence[str]) -> tuple[str | int, list[str]]:
    """Return the key or index that *steps* begin with at *place*, and the steps after it."""
    where = ".".join(done)
    if isinstance(place, dict):
        joined = (".".join(steps[:length]) for length in range(len(steps), 0, -1))
        key = next((candidate for candidate in joined if candidate in place), steps[0])
        return key, list(steps[key.count(".") + 1 :])
    if not isinstance(place, list):
        raise SampleError(f'set "{path}": {where} is {_shown(place)} and has nothing inside; set {where} itself.')
    if steps[0] in map(str, range(len(place))):
        return int(steps[0]), list(steps[1:])
    items = f"indexes 0 to {len(place) - 1}" if place else "no items"
    raise SampleError(f'set "{path}": {where} is a list with {items}, not {steps[0]}; or set {where} itself.')


def _shown(value: Json) -> str:
    return f"{dump(value).decode():.60}"


def _scenario_of(name: str) -> str:
    return name.partition("@")[0]


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    def likeness(other: str) -> float:
        compared = other if "@" in name else _scenario_of(other)
        return difflib.SequenceMatcher(None, name, compared).ratio()

    nearest_first = sorted(known, key=likeness, reverse=True)
    return f'{what} "{name}" does not exist. There are: {", ".join(nearest_first)}.'
