"""
Errors of hooks, for people who are not Python experts: where, what, and what to do.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookd.errors import Problem
from hookd.sandbox.language import Module, Session, attribute_guards, compile_source, explain
from hookd.sandbox.language.explain import TEXT_MAX
from hookd.sandbox.language.session import escaped
from hookd.sandbox.pure import ToolError
from tests import corpus

FILE = "process_client_phone.py"


class Tool:
    """Fails as tools do."""

    def ask(self, key: str) -> None:
        raise ToolError(f"settings has no key {key!r}.", "Write it in hooks/settings.toml.")

    def break_down(self) -> None:
        raise ZeroDivisionError("in the tool")


def explained(source: str, *arguments: Any) -> Problem:
    """What is told of the error that the function `hook` in *source*, or its file, raises."""
    libs = {name: compile_source(text, f"lib/{name}.py") for name, text in corpus.libs().items()}
    module = compile_source(source, FILE)
    session = Session(libs, attributes=attribute_guards({Tool: frozenset({"ask", "break_down"})}), cancel=None)
    try:
        names: dict[str, Any] = session.run_module(module)
        names["hook"](*arguments)
    except Exception as error:
        return explain(error, [module, *libs.values()])
    raise AssertionError("the hook raised nothing")


def told(body: str, *arguments: Any) -> tuple[str, str]:
    problem = explained(f"def hook(request=None, tool=None):\n    {body}\n", *arguments)
    assert (problem.file, problem.line) == (FILE, 2)
    return problem.message, problem.remedy


REQUEST = {"PHONE_NUMBER": "101", "user": {"name": "Anna"}, "entity": None, "items": [1]}


@pytest.mark.parametrize(
    ("body", "message", "remedy"),
    [
        (
            "return request['PHONE_NUMER']",
            "KeyError: 'PHONE_NUMER'.",
            "Did you mean PHONE_NUMBER? Use request.get('PHONE_NUMER') where it may be missing. "
            "Keys of request: PHONE_NUMBER, user, entity, items.",
        ),
        (
            "return request['user']['nmae']",
            "KeyError: 'nmae'.",
            "Did you mean name? Use request['user'].get('nmae') where it may be missing. "
            "Keys of request['user']: name.",
        ),
        ("return {}[5]", "KeyError: 5.", "{} has no such key. Use {}.get(5) where it may be missing."),
        (
            "return request['entity']['id']",
            "TypeError: 'NoneType' object is not subscriptable.",
            "request['entity'] is empty (None) here. Check it first: if request['entity']: …",
        ),
        (
            "return request['entity'].id",
            "AttributeError: None has no attribute id.",
            "It is empty here. Check it first: if value is not None: …",
        ),
        (
            "return request.PHONE_NUMBER",
            "AttributeError: a dict has no attribute PHONE_NUMBER.",
            'A dict has keys: write value["PHONE_NUMBER"], or value.get("PHONE_NUMBER").',
        ),
        (
            "request.PHONE_NUMBER = 1",
            "TypeError: a dict has keys, not an attribute PHONE_NUMBER.",
            'Write value["PHONE_NUMBER"] = …',
        ),
        ("return reqest", "NameError: name 'reqest' is not defined.", "Did you mean request?"),
        (
            "return xyzzy",
            "NameError: name 'xyzzy' is not defined.",
            "Give it a value first, or ask for it as a parameter.",
        ),
        (
            "return 'a' + 1",
            'TypeError: can only concatenate str (not "int") to str.',
            'Make text of it: f"{a} {b}", or str(value).',
        ),
        (
            "return '5' > 3",
            "TypeError: '>' not supported between instances of 'str' and 'int'.",
            "One is text and one is a number: int(value) or str(value) first.",
        ),
        (
            "return 1 + None",
            "TypeError: unsupported operand type(s) for +: 'int' and 'NoneType'.",
            "One of the two is empty (None) here. Check it first: if value: …",
        ),
        (
            "return int('+7')  + int('')",
            "ValueError: invalid literal for int() with base 10: ''.",
            "Check it first: if value.isdigit(): …",
        ),
        (
            "return request['items'][7]",
            "IndexError: list index out of range.",
            "It is shorter than that. Check len(values) first.",
        ),
        ("return 1 / 0", "ZeroDivisionError: division by zero.", ""),
        (
            "return 'x'['name']",
            "TypeError: string indices must be integers, not 'str'.",
            "If it is JSON: json.loads(value).",
        ),
        ("raise MemoryError", "MemoryError.", "It needs more memory than a run has. Work on less at a time."),
        ("raise ValueError", "ValueError.", ""),
        ("raise ValueError('no owner for line 5!')", "ValueError: no owner for line 5!", ""),
        ("import decimal; return decimal.Decimal('x')", "InvalidOperation: this is no number.", ""),
        (
            "import zoneinfo; return zoneinfo.ZoneInfo('Europe/Moskow')",
            "ZoneInfoNotFoundError: there is no time zone 'Europe/Moskow'; did you mean \"Europe/Moscow\"?",
            "",
        ),
        ("return tool.ask('x')", "settings has no key 'x'.", "Write it in hooks/settings.toml."),
        ("return tool.break_down()", "ZeroDivisionError: in the tool.", ""),
        (
            "return type(5, 6)",
            "TypeError: type() takes 1 positional argument but 2 were given.",
            "Compare the call with the def line.",
        ),
    ],
)
def test_says_what_to_do(body: str, message: str, remedy: str) -> None:
    """
    Common mistakes are explained by what the code says and what the data holds.
    """
    found = told(body, dict(REQUEST), Tool())

    assert found[0] == message
    assert remedy in found[1]
    assert bool(found[1]) == bool(remedy)


def test_names_the_innermost_line_of_a_hook() -> None:
    """
    The place is where the integrator's code was, not where hookd's or Python's was, in lib files too.
    """
    deep = explained("def hook():\n    return f()\n\n\ndef f():\n    return sorted([1], key=lambda n:\n        n.x)\n")
    lib = explained("def hook():\n    from lib.numbers import tail\n    return tail(5)\n")
    loading = explained("import lib.broken\n")
    importing = explained("from lib.circle_a import a\n")

    assert (deep.file, deep.line, deep.message) == (FILE, 7, "AttributeError: an int has no attribute x.")
    assert (lib.file, lib.line) == ("lib/numbers.py", 16)
    assert (loading.file, loading.line, loading.message) == ("lib/broken.py", 3, "KeyError: 'b'.")
    assert (importing.file, importing.line) == ("lib/circle_b.py", 1)


def test_endless_recursion_is_told() -> None:
    """
    A thousand frames are one line.
    """
    problem = explained("def f(n):\n    return f(n + 1)\n\n\ndef hook():\n    return f(1)\n")

    assert (problem.line, problem.message) == (2, "RecursionError: maximum recursion depth exceeded.")
    assert problem.remedy == "A function calls itself without an end, or a value is nested too deeply."


HOSTILE = {
    "contains itself": "class E(Exception):\n    def __init__(self):\n        self.args = (self,)\n",
    "raises": "class E(Exception):\n    def __str__(self):\n        raise E()\n",
    "exits": "class E(Exception):\n    def __str__(self):\n        return caught[0]\n    __repr__ = __str__\n",
    "no text": "class E(Exception):\n    def __str__(self):\n        return 5\n",
    "argument raises": "class A:\n    def __repr__(self):\n        return 1 / 0\nclass E(ValueError):\n"
    "    def __init__(self):\n        super().__init__(A(), A())\n",
    "long": "class E(Exception):\n    def __str__(self):\n        return 'x' * 10**7\n",
    "control characters": "class E(Exception):\n    def __str__(self):\n        return 'a\\n\\x1b[2J\\u202e\\ud800'\n",
    "forged remedy": "class E(Exception):\n    def __init__(self):\n        self.message = self.remedy = 'forged'\n",
    "long name": f"class {'E' * 5000}(Exception):\n    pass\nE = {'E' * 5000}\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_exceptions_are_told_too(name: str) -> None:
    """
    Whatever its class does, an exception becomes one short printable line.
    """
    problem = explained(f"{HOSTILE[name]}\ndef hook():\n    raise E()\n")

    assert problem.line > 1
    assert problem.message.startswith("E")
    assert "forged" not in str(problem)
    assert len(problem.message) <= TEXT_MAX
    assert str(problem).isprintable()


def test_control_characters_are_written_out() -> None:
    """
    Nothing in a message acts on a terminal or breaks a log line.
    """
    assert told("raise ValueError('a\\n\\x1b[2J\\u202e')")[0] == "ValueError: a\\n\\x1b[2J\\u202e."


def test_a_big_dict_is_not_compared_for_ever() -> None:
    """
    A missing key in a table of a hundred thousand is told without a search through all of it.
    """
    table = {f"key {n}": n for n in range(100_000)}

    message, remedy = told("return request['key x']", table)

    assert message == "KeyError: 'key x'."
    assert "and 99980 more." in remedy


def test_errors_from_outside_have_no_line() -> None:
    """
    An error that no hook raised is put to the file as a whole.
    """
    module: Module = compile_source("x = 1\n", FILE)

    assert explain(TypeError("hook() missing 1 required positional argument: 'x'"), [module]) == Problem(
        FILE,
        0,
        "TypeError: hook() missing 1 required positional argument: 'x'.",
        "Give it every value that its def line names.",
    )
    assert explain(ValueError("x"), []) == Problem("", 0, "ValueError: x.")


@given(st.lists(st.none() | st.integers() | st.text() | st.binary() | st.floats(), max_size=3))
def test_any_exception_is_explained(arguments: list[Any]) -> None:
    """
    Every exception that Python's own classes make, with any arguments, becomes one short line.
    """
    for kind in (ValueError, KeyError, OSError, StopIteration, SystemExit, NameError, ImportError, SyntaxError):
        try:
            error = kind(*arguments)
        except TypeError:
            continue
        problem = explain(error, [])
        assert len(problem.message) <= TEXT_MAX
        assert escaped(str(problem)).splitlines() == [str(problem)]
