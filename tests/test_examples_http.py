"""
The examples' own test cases, asked as a connector asks: over HTTP, of a server that serves the example hooks.
"""

import json
import re
import shutil
from collections.abc import Iterator

import pytest

from hookd import cases
from hookd.documents import Json
from tests.conftest import ROOT, Server, start

HOOKS = ROOT / "hooks"
# HTTP cannot stop the clock, answer for tools, or ask for other hooks than those of points: those run in test_examples.
CASES = [
    case
    for case in cases.load(HOOKS / cases.FOLDER)
    if case.now is None and not case.tools and case.point.kind == "point"
]


def site_of(case: cases.Case) -> str:
    """Return the name of the site that has the settings of *case*."""
    return re.sub("[^a-z0-9]+", "-", f"{case.point.name}-{case.name}".lower())


def toml(value: Json) -> str:
    """Return a JSON value as TOML writes it inline."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a site for each case: its hook, its lib files, its settings."""
    directory = tmp_path_factory.mktemp("examples")
    for case in CASES:
        hooks = directory / "sites" / site_of(case) / "hooks"
        shutil.copytree(HOOKS / "lib", hooks / "lib")
        if case.point.name in ("process_final_params", "post_registration"):
            shutil.copytree(HOOKS / "jobs", hooks / "jobs")  # they name one
        if case.point.name == "need_registration":
            shutil.copytree(HOOKS / "lists", hooks / "lists")
        shutil.copy(HOOKS / f"{case.point.name}.py", hooks)
        table = [f"{json.dumps(key)} = {toml(value)}" for key, value in (case.settings or {}).items()]
        (hooks / "settings.toml").write_text("\n".join([f"[{case.point.name}]", *table, ""]))
    server = start(directory)
    yield server
    server.stop()


def test_most_cases_are_asked() -> None:
    """
    There are cases of every point, and hardly any that HTTP cannot ask.
    """
    assert len({case.point.name for case in CASES}) == 14
    assert len({site_of(case) for case in CASES}) == len(CASES) >= 70


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.point.name}/{case.name}")
def test_a_case_over_http(examples: Server, case: cases.Case) -> None:
    """
    Over HTTP an example does what its case says, at the connector's own path.
    """
    path = f"sites/{site_of(case)}/actions/{case.point.name}.php"
    examples.wait(lambda: examples.post(path, case.request).headers.get("Hookd-Reason") != "load", "the hook's check")

    reply = examples.post(path, {"params": case.request})

    assert reply.status_code == 200
    expected = {key: value for key, value in case.expected.items() if key in ("outcome", "reason", "reply")}
    found = {
        "outcome": reply.headers["Hookd-Outcome"],
        "reason": reply.headers.get("Hookd-Reason", ""),
        "reply": reply.json().get("data"),
    }
    assert {key: found[key] for key in expected} == expected
