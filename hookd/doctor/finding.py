"""
One thing that `hookd doctor` found.
"""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is: nothing, something to know, something that keeps hookd or a hook from its work."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What a check found.

    Attributes:
        verdict: How bad it is.
        message: What is so.
        remedy: What to do; "" where it is fine.
    """

    verdict: Verdict
    message: str
    remedy: str = ""


def ok(message: str) -> Finding:
    """Return that all is well."""
    return Finding(Verdict.OK, message)


def warning(message: str, remedy: str) -> Finding:
    """Return what works, but not as well as it could."""
    return Finding(Verdict.WARNING, message, remedy)


def failure(message: str, remedy: str) -> Finding:
    """Return what keeps hookd or a hook from its work."""
    return Finding(Verdict.FAILURE, message, remedy)
