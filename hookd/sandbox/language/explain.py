"""
What went wrong in a hook, where, and what to do: for people who are not Python experts.

The exception comes from hostile code. Its text may be endless, raise, or hang (then the deadline ends the process); its
attributes are read only where Python's own types keep them, and frames are looked at, never executed.
"""

import ast
import decimal
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from types import FrameType, TracebackType
from typing import Any

from hookd.errors import Problem
from hookd.sandbox.language import refusals
from hookd.sandbox.language.classes import HookClass
from hookd.sandbox.language.module import Module
from hookd.sandbox.language.session import BUILTIN_NAMES, escaped

TEXT_MAX = 500  # characters of a message or remedy
_NAMES_SHOWN_MAX = 20
_SHOWN_MAX = 60
_KEYS_MAX = 500  # looked at for the nearest name, which takes time for each

# The first pattern that matches Python's own message explains it.
_HINTS = (
    (
        r"(not supported between|unsupported operand|can only concatenate).*NoneType",
        "One of the two is empty (None) here. Check it first: if value: …",
    ),
    (
        r"can only concatenate str|must be str, not|can only concatenate list",
        'Make text of it: f"{a} {b}", or str(value).',
    ),
    (r"'.*' not supported between instances of", "One is text and one is a number: int(value) or str(value) first."),
    (r"unsupported operand type\(s\)", "One is text and one is a number: int(value) or str(value) first."),
    (
        r"a bytes-like object is required|without an encoding|Strings must be encoded",
        "Make bytes of the text: text.encode().",
    ),
    (
        r"expected string or bytes-like object, got 'NoneType'|argument of type 'NoneType'",
        "It is empty here. Check it first: if value: …",
    ),
    (r"invalid literal for int\(\)|could not convert string to float", "Check it first: if value.isdigit(): …"),
    (r"(int|float)\(\) argument must be .* not 'NoneType'", "It is empty here. Check it first: if value: …"),
    (r"'str' object is not callable|'dict' object is not callable", "Take the ( ) away, or use [ ] for a key."),
    (r"string indices must be integers", "It is text, not a dict. If it is JSON: json.loads(value)."),
    (r"list indices must be integers", "It is a list: take one item, values[0], or go through it with for."),
    (r"(list|tuple|string|deque) index out of range", "It is shorter than that. Check len(values) first."),
    (r"unhashable type", "Keys and members of sets are texts, numbers or tuples."),
    (r"missing \d+ required", "Give it every value that its def line names."),
    (r"positional arguments? but|unexpected keyword argument|takes no", "Compare the call with the def line."),
    (r"not enough values to unpack|too many values to unpack", "Left of = stand as many names as there are values."),
    (r"dictionary changed size during iteration|changed size during", "Go through a copy: for key in list(values): …"),
    (r"offset-naive", "One time has a zone and one has none: value.replace(tzinfo=clock.now().tzinfo)."),
    (r"does not match format|Invalid isoformat string", "Print the text to see how the date is written."),
    (r"is not JSON serializable", "Make plain values first: str(value), value.isoformat(), list(value)."),
    (r"'NoneType' object is not iterable", "It is empty here: for item in values or []: …"),
    (r"'NoneType' object is not callable", "It is empty here. Check it first: if value: …"),
    (r"integer string conversion", "A number of thousands of digits cannot be printed."),
    (r"metaclass conflict", "Build on nothing, on another class of yours or on Exception."),
    (r"unknown encoding", "Use utf-8, cp1251, koi8-r, cp866, latin-1 or ascii."),
)
_BY_TYPE: Mapping[type, str] = {
    RecursionError: "A function calls itself without an end, or a value is nested too deeply.",
    MemoryError: "It needs more memory than a run has. Work on less at a time.",
}
# What these say themselves is a list of classes.
_DECIMAL: Mapping[type, str] = {
    decimal.DivisionByZero: "division by zero",
    decimal.InvalidOperation: "this is no number",
    decimal.Overflow: "the number is too large",
}
_UNREADABLE = "(its text cannot be read)"


def explain(error: BaseException, modules: Iterable[Module]) -> Problem:
    """
    Return what *error*, raised by one of the *modules*, means: file and line of the innermost frame of theirs.

    Never raises; texts are bounded and escaped. An error without such a frame is put to the first module, line 0.
    """
    by_file = {module.file: module for module in modules}
    frame = _innermost(error.__traceback__, by_file)
    file, line = (frame.tb_frame.f_code.co_filename, frame.tb_lineno) if frame else (next(iter(by_file), ""), 0)
    message, remedy = _told(error) or (_message(error), "")
    if not remedy:
        remedy = _attempt(lambda: _remedy(error, message, frame, by_file))
    return Problem(file, line, _bounded(message), _bounded(remedy))


def _innermost(traceback: TracebackType | None, files: Mapping[str, Module]) -> TracebackType | None:
    found = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename in files:
            found = traceback
        traceback = traceback.tb_next
    return found


def _told(error: BaseException) -> tuple[str, str] | None:
    """The message and remedy of an error that carries both: a tool's, or a guard's."""
    if type(type(error)) is HookClass:
        return None
    facts = vars(error)
    message, remedy = facts.get("message"), facts.get("remedy")
    if type(remedy) is not str:
        return None
    return (message, remedy) if type(message) is str else (_message(error), remedy)


def _message(error: BaseException) -> str:
    kind = type(error).__name__[:_SHOWN_MAX]
    text = _attempt(lambda: _text(error), _UNREADABLE)
    return _sentence(f"{kind}: {text}" if text else kind)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…", ")")) else f"{text}."


def _text(error: BaseException) -> str:
    # str() may run the hook's __str__ or __repr__; a text of its own comes without a copy, however long it is.
    text = _DECIMAL.get(type(error)) or str(error)
    if isinstance(error, KeyError) and type(error) is not KeyError and _is_text_only(error):
        text = error.args[0]  # str() of a KeyError shows it as a key, quoted
    return text[: TEXT_MAX + 1]


def _is_text_only(error: BaseException) -> bool:
    return type(type(error)) is not HookClass and len(error.args) == 1 and type(error.args[0]) is str


def _attempt(read: Callable[[], str], otherwise: str = "") -> str:
    """What *read* returns; *otherwise* where the hook's own code, or what it left, makes it raise."""
    try:
        return read()
    except BaseException:  # SystemExit and RecursionError from a hook's __repr__ are a hook's errors too
        return otherwise


def _bounded(text: str) -> str:
    text = escaped(text[: TEXT_MAX + 1]).replace("\n", "\\n").replace("\t", " ")
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"


def _remedy(error: BaseException, message: str, frame: TracebackType | None, files: Mapping[str, Module]) -> str:
    kind = type(error)
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    if kind is NameError and frame:
        return _name_remedy(error, frame.tb_frame)
    if kind is UnboundLocalError:
        return "Give it a value before the if, for or try; or write global name as the first line of the function."
    place = _subscript(frame, files[frame.tb_frame.f_code.co_filename]) if frame else None
    if kind is KeyError and frame:
        return _key_remedy(error, place, frame.tb_frame)
    if kind is TypeError and place and "NoneType' object is not subscriptable" in message:
        shown = ast.unparse(place.value)[:_SHOWN_MAX]
        return f"{shown} is empty (None) here. Check it first: if {shown}: …"
    return next((hint for pattern, hint in _HINTS if re.search(pattern, message)), "")


def _name_remedy(error: BaseException, frame: FrameType) -> str:
    name = getattr(error, "name", None)
    if type(name) is not str:
        return ""
    if name in refusals.NAMES:
        return f"{refusals.NAMES[name].reason} {refusals.NAMES[name].remedy}"
    known = {name for name in (*frame.f_locals, *frame.f_globals) if not name.startswith("_")} | BUILTIN_NAMES
    near = get_close_matches(name[:_SHOWN_MAX], sorted(known)[:_KEYS_MAX], n=1)
    return f"Did you mean {near[0]}?" if near else "Give it a value first, or ask for it as a parameter."


def _subscript(traceback: TracebackType, module: Module) -> ast.Subscript | None:
    """The `value[key]` that was being read, from the source: instructions know their place in it."""
    positions = list(traceback.tb_frame.f_code.co_positions())
    line, end_line, column, end_column = positions[traceback.tb_lasti // 2]
    if line is None or line != end_line or column is None or end_column is None:
        return None
    text = re.split(r"\r\n|\r|\n", module.source)[line - 1].encode()[column:end_column].decode()
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        return None
    return tree if isinstance(tree, ast.Subscript) else None


def _key_remedy(error: BaseException, place: ast.Subscript | None, frame: FrameType) -> str:
    if place is None:
        return "Check it first: if key in values: …, or use values.get(key)."
    shown = ast.unparse(place.value)[:_SHOWN_MAX]
    key = ast.unparse(place.slice)[:_SHOWN_MAX]
    value = _value_of(place.value, frame)
    if type(value) is not dict:
        return f"{shown} has no such key. Use {shown}.get({key}) where it may be missing."
    keys = [name for name in itertools.islice(value, _KEYS_MAX) if type(name) is str]
    missing = error.args[0] if error.args else None
    near = get_close_matches(missing[:_SHOWN_MAX], keys, n=1) if type(missing) is str else []
    question = f"Did you mean {near[0][:_SHOWN_MAX]}? " if near else ""
    there = ", ".join(name[:_SHOWN_MAX] for name in keys[:_NAMES_SHOWN_MAX]) or "none"
    more = f" and {len(value) - _NAMES_SHOWN_MAX} more" if len(keys) > _NAMES_SHOWN_MAX else ""
    return f"{question}Use {shown}.get({key}) where it may be missing. Keys of {shown}: {there}{more}."


def _value_of(node: ast.expr, frame: FrameType) -> Any:
    """The value of a name, or of constant keys of one, as far as plain dicts and lists go; None beyond."""
    if isinstance(node, ast.Name):
        return frame.f_locals.get(node.id, frame.f_globals.get(node.id))
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        outer, key = _value_of(node.value, frame), node.slice.value
        if type(outer) is dict and type(key) is str:
            return outer.get(key)
        if type(outer) is list and type(key) is int and -len(outer) <= key < len(outer):
            return outer[key]
    return None
