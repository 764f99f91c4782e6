"""
Errors that say what to write instead, in the same breath as what is wrong.
"""

from typing import Any, TypeVar

Error = TypeVar("Error", bound=Exception)

_LENGTH_MAX = 80  # of a name in a message


def with_remedy(error: Error, remedy: str) -> Error:
    """
    Return *error* with what to write instead; explain tells it.
    """
    error.remedy = remedy  # type: ignore[attr-defined]
    return error


def described(value: Any) -> str:
    """
    Return what *value* is: "a dict", "the class Line", "None".
    """
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {short(value.__name__)}"
    return _with_article(type(value).__name__)


def name_of(value: Any) -> str:
    """
    Return the name of the class *value*, or what *value* is.
    """
    return short(value.__name__) if isinstance(value, type) else _with_article(type(value).__name__)


def short(text: str) -> str:
    """
    Return *text*, cut to the length of a name.
    """
    return text if len(text) <= _LENGTH_MAX else text[:_LENGTH_MAX] + "…"


def _with_article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeio' else 'a'} {short(name)}"
