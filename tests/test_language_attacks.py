"""
Hooks that try to get out, or to break what they return into: the language layer's part of the answer.

`tests/attacks/*.py` name the outcomes that are fine in their first line. What ends in the language layer (load, error,
contract, ok) runs here; what needs a process to be stopped (timeout, memory, crash, violation) is compiled only, and
runs in a real worker elsewhere.
"""

import gc
import sys
from pathlib import Path
from typing import Any

import pytest

from hookd.errors import LoadError
from hookd.sandbox.language import Module, NotPlain, Session, attribute_guards, compile_source, explain, plain
from tests import corpus

ATTACKS = sorted((Path(__file__).parent / "attacks").glob("*.py"))
OUTCOMES = {"load", "error", "contract", "ok", "timeout", "memory", "crash", "violation"}
HARMLESS = {"load", "error", "contract", "ok"}

LIBS = {name: compile_source(source, f"lib/{name}.py") for name, source in corpus.libs().items()}


def expected(attack: Path) -> set[str]:
    return set(attack.read_text("utf-8").partition("\n")[0].removeprefix("# expect: ").split("|"))


def outcome(source: str) -> tuple[str, object]:
    """What comes of *source* in this process: the outcome's class, and what the integrator would be told."""
    try:
        module = compile_source(source, corpus.FILE)
    except LoadError as error:
        return "load", error.problems[0]
    session = Session(LIBS, attributes=attribute_guards({}), cancel=object())
    try:
        return _run(module, session)
    finally:
        session.close()


def _run(module: Module, session: Session) -> tuple[str, object]:
    try:
        names: dict[str, Any] = session.run_module(module)
        return "ok", plain(names[corpus.FUNCTION](corpus.request()))
    except NotPlain as error:
        return "contract", error
    except BaseException as error:
        return "error", explain(error, [module, *LIBS.values()])


def name_of(attack: Path) -> str:
    return attack.stem


@pytest.mark.parametrize("attack", [path for path in ATTACKS if expected(path) <= HARMLESS], ids=name_of)
def test_attacks_end_in_the_language_layer(attack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The attack gets nowhere: it is refused, fails with an explained error, or returns plain data.
    """
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)  # what it left behind fails later, unseen

    found, told = outcome(attack.read_text("utf-8"))
    gc.collect()

    assert found in expected(attack), told
    assert len(str(told)) < 2000
    assert str(told).isprintable()


@pytest.mark.parametrize("attack", [path for path in ATTACKS if not expected(path) <= HARMLESS], ids=name_of)
def test_attacks_on_the_process_compile(attack: Path) -> None:
    """
    What only a deadline or a limit stops is no load error, so that the real workers are put to the test.
    """
    assert expected(attack) <= OUTCOMES
    assert compile_source(attack.read_text("utf-8"), corpus.FILE).functions[corpus.FUNCTION].parameters == ("request",)


@pytest.mark.parametrize("attack", ATTACKS, ids=name_of)
def test_attacks_say_what_they_try(attack: Path) -> None:
    """
    Every attack has its outcome and its idea in the first two lines.
    """
    first, second = attack.read_text("utf-8").split("\n")[:2]

    assert first.startswith("# expect: ")
    assert expected(attack) <= OUTCOMES
    assert second.startswith('"""')
    assert second.endswith('."""')
