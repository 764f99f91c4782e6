"""
`settings`: the hook's own table of hooks/settings.toml, read-only.

What a hook takes out is a copy: a list that it sorts, or a table that it adds to, is its own, and the next run finds
the settings as they were written.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, ClassVar

from hookd.sandbox.pure import ToolError

Json = Any

_NAMES_SHOWN_MAX = 20
_NAME_CHARACTERS_MAX = 60
_INTEGER_SHOWN_MAX = 10**18


class Settings:
    """
    The table `[hook]` of hooks/settings.toml, with `[all]` below it where the site has one.

    `settings["key"]` insists on the key, `settings.get("key", default)` does not; `in`, `len`, `for`, `keys`,
    `values` and `items` are those of a dict, with lists instead of views.
    """

    PUBLIC: ClassVar[frozenset[str]] = frozenset({"get", "keys", "values", "items"})

    __slots__ = ("_hook", "_values")

    def __init__(self, values: dict[str, Json], hook: str) -> None:
        """
        Args:
            values: The table, plain data; it is never changed.
            hook: The table's name as settings.toml has it, for the message about a missing key.
        """
        self._values = values
        self._hook = hook

    def __getitem__(self, key: str) -> Json:
        if key not in self:
            raise ToolError(f"settings has no key {_shown(key)}.", self._remedy(key))
        return _copy(self._values[key])

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key in self._values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __repr__(self) -> str:
        return f"settings of [{self._hook}]: {', '.join(self._values) or 'empty'}"

    def get(self, key: str, default: Json = None) -> Json:
        """Return a copy of the value under *key*, or *default*."""
        return _copy(self._values[key]) if key in self else default

    def keys(self) -> list[str]:
        """Return the names, in the order of the file."""
        return list(self._values)

    def values(self) -> list[Json]:
        """Return copies of the values."""
        return [_copy(value) for value in self._values.values()]

    def items(self) -> list[tuple[str, Json]]:
        """Return names with copies of the values."""
        return list(zip(self.keys(), self.values(), strict=True))

    def _remedy(self, key: object) -> str:
        near = get_close_matches(key[:_NAME_CHARACTERS_MAX] if isinstance(key, str) else "", self._values, n=1)
        question = f"Did you mean {near[0]!r}? " if near else ""
        names = sorted(self._values)
        there = ", ".join(names[:_NAMES_SHOWN_MAX]) or "none"
        more = f" and {len(names) - _NAMES_SHOWN_MAX} more" if len(names) > _NAMES_SHOWN_MAX else ""
        return (
            f"{question}Write it in hooks/settings.toml under [{self._hook}], "
            f"or use settings.get({_shown(key)}, …). Keys there: {there}{more}."
        )


def _shown(key: object) -> str:
    # A hook may make a key of any size; names of settings are short.
    if isinstance(key, str):
        return repr(key if len(key) <= _NAME_CHARACTERS_MAX else key[:_NAME_CHARACTERS_MAX] + "…")
    return repr(key) if isinstance(key, int) and abs(key) < _INTEGER_SHOWN_MAX else f"of type {type(key).__name__}"


def _copy(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value
