"""
Names in messages: the one that was meant, which every message about an unknown key, point or site says first, and nouns
with their number.
"""

import difflib
from collections.abc import Iterable

COMPARED_CHARACTERS = 60  # comparing takes time with the square of the length, and no name of ours is longer


def nearest(name: str, known: Iterable[str]) -> str | None:
    """
    Return the one of the *known* names that *name* was probably meant to be, whatever its case.
    """
    folded = {one.casefold(): one for one in known}
    found = difflib.get_close_matches(name[:COMPARED_CHARACTERS].casefold(), folded, n=1)
    return folded[found[0]] if found else None


def meant(name: str, known: Iterable[str]) -> str:
    """
    Return the end of a sentence about the unknown *name*: "; did you mean X?", or "." where nothing is near.
    """
    found = nearest(name, known)
    return f"; did you mean {found}?" if found else "."


def counted(number: int, noun: str) -> str:
    """
    Return *number* and *noun*, which is in the singular: "1 hook", "2 hooks".
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
