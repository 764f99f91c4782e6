"""
One run of a hook: its globals, its imports, its random numbers and what it prints, all made anew and dropped after.

What runs share is immutable: compiled modules, the guards, facades without state. What a run can change is made here:
each file's globals (classes and functions are made by executing the file), the dict of builtins, the namespaces of lib
files, `random`, the decimal context and the log.
"""

import _strptime  # type: ignore[import-not-found]  # noqa: F401  # datetime.strptime imports it from C, past what a hook may import
import re
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from hookd.sandbox.language import guards, modules
from hookd.sandbox.language.classes import EXCEPTIONS, HookClass
from hookd.sandbox.language.guards import AttributeGuards, Keys
from hookd.sandbox.language.module import Module
from hookd.sandbox.language.namespace import Namespace
from hookd.sandbox.language.remedies import with_remedy

# The builtins that take, and make, only what the hook has. What is not here, and why: `refusals.NAMES`.
_BUILTINS: Mapping[str, Any] = MappingProxyType(
    {
        **{kind.__name__: kind for kind in (bool, bytes, dict, float, frozenset, int, list, object, set, str, tuple)},
        **{kind.__name__: kind for kind in (enumerate, filter, map, range, reversed, slice, zip)},
        # Safe as decorators: what they hold cannot be read back (see `attributes`).
        **{kind.__name__: kind for kind in (classmethod, property, staticmethod)},
        **{
            function.__name__: function
            for function in (
                *(abs, all, any, ascii, bin, callable, chr, divmod, format, hash, hex, isinstance, issubclass),
                *(iter, len, max, min, next, oct, ord, pow, repr, round, sorted, sum),
            )
        },
        **EXCEPTIONS,
        "IOError": OSError,
        "EnvironmentError": OSError,
        "super": super,  # the compiler lets it be called without arguments only
        "type": guards.type_of,
        "NotImplemented": NotImplemented,
        "Ellipsis": Ellipsis,
        "__build_class__": __build_class__,
    }
)
_GUARDS: Mapping[str, Any] = MappingProxyType(
    {
        "_super_": guards.super_method,
        "_write_": guards.write,
        "_writeattr_": guards.write_attribute,
        "_augitem_": guards.augment_item,
        "_key_": Keys(),
        "_metaclass_": HookClass,
    }
)
BUILTIN_NAMES = frozenset({*_BUILTINS, "getattr", "hasattr", "print", "CANCEL", "None", "True", "False"})

# What would act on a terminal or a reader's eye: C0 but tab and newline, C1, lone surrogates, line and bidi controls.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_CUT = "\n… (cut: this run printed more than {limit} bytes)\n"


class Session:
    """
    One run. Not reused: what a run leaves behind goes with it.
    """

    def __init__(
        self,
        libs: Mapping[str, Module],
        *,
        attributes: AttributeGuards,
        cancel: object,
        print_limit_bytes: int = 65_536,
        seed: int | None = None,
        write: Callable[[str], None] | None = None,
    ) -> None:
        """
        Args:
            libs: The site's compiled lib files by name ("numbers" for lib/numbers.py).
            attributes: What of which object a hook may reach; without state, made once for all runs.
            cancel: What the name CANCEL stands for.
            print_limit_bytes: Of UTF-8; what a hook prints beyond it is dropped.
            seed: Of the run's random numbers; None takes the system's entropy.
            write: Gets what is printed, piece by piece, as it will stand in `printed`.
        """
        self._libs = libs
        self._seed = seed
        self._log = _Log(print_limit_bytes, write)
        self._spaces: dict[str, Namespace] = {}  # of this run: lib files, random, decimal
        self._loading: list[str] = []
        self._globals: list[dict[str, Any]] = []  # of each file that was executed
        self._names: dict[str, Any] = {
            **_GUARDS,
            "__builtins__": {
                **_BUILTINS,
                "getattr": attributes.getattr,
                "hasattr": attributes.hasattr,
                "print": self._log.print,
                "__import__": _import_from_c,
                "CANCEL": cancel,
            },
            "_getattr_": attributes.read,
            "_augattr_": attributes.augment,
            "_import_": self._import,
            "_from_": self._from,
        }

    @property
    def printed(self) -> str:
        """What print wrote so far: at most the limit, control characters escaped but for tabs and line ends."""
        return self._log.text

    def run_module(self, module: Module) -> dict[str, object]:
        """
        Execute the body of *module* in fresh globals, and return these.

        Raises:
            BaseException: Whatever the module raises.
        """
        names = {**self._names, "__name__": module.file.removesuffix(".py").replace("/", ".")}
        self._globals.append(names)
        exec(module.code, names)
        return names

    def close(self) -> None:
        """
        End the run: nothing is printed any more, and code that it left behind finds no names.

        What stays in cycles (an abandoned generator with `finally`, say) is finalized whenever memory is collected:
        then it can neither write into another run's log nor call what it knew by name.
        """
        self._log.close()
        for names in self._globals:
            names.clear()
        self._names["__builtins__"].clear()
        self._names.clear()
        self._spaces.clear()

    def _import(self, name: str, is_top: bool = False) -> object:
        """Import as in `import a.b` (is_top: the name a is bound) and `import a.b as c`."""
        space = self._space(name)
        if not is_top:
            return space
        top = name.partition(".")[0]
        return self._space(top) if top != "lib" else self._lib_root()

    def _from(self, module: str, name: str) -> object:
        space = self._space(module)
        try:
            return space.get(name)
        except AttributeError:
            offered = with_remedy(ImportError(f"from {module} import {name}: there is no {name}."), space.offered())
        raise offered

    def _space(self, name: str) -> Namespace:
        space = modules.SHARED.get(name) or self._spaces.get(name)
        if space is not None:
            return space
        if name in modules.PER_RUN:
            space = Namespace(name, modules.PER_RUN[name](self._seed))
        elif name.startswith("lib."):
            space = self._load_lib(name)
        else:
            raise ImportError(f"import {name}: hooks have no such module.")
        self._spaces[name] = space
        return space

    def _load_lib(self, name: str) -> Namespace:
        module = self._libs.get(name.removeprefix("lib."))
        if module is None:
            there = ", ".join(f"lib.{lib}" for lib in sorted(self._libs)) or "no files"
            raise with_remedy(
                ImportError(f"import {name}: there is no file {name.replace('.', '/')}.py."), f"There are: {there}."
            )
        if name in self._loading:
            circle = " imports ".join([*self._loading[self._loading.index(name) :], name])
            raise with_remedy(
                ImportError(f"import {name}: the lib files import each other: {circle}."),
                "Move what both need into a third file.",
            )
        self._loading.append(name)
        try:
            return Namespace(name, self.run_module(module))
        finally:
            self._loading.pop()

    def _lib_root(self) -> Namespace:
        """`lib` after `import lib.numbers`: the lib files that this run imported so far, and later ones."""
        loaded = {name.removeprefix("lib."): space for name, space in self._spaces.items() if name.startswith("lib.")}
        root = self._spaces.setdefault("lib", Namespace("lib", {}))
        root.members = loaded
        return root


class _Log:
    """What a run prints."""

    def __init__(self, limit_bytes: int, write: Callable[[str], None] | None) -> None:
        self._limit = limit_bytes
        self._left = limit_bytes
        self._write = write
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def print(self, *values: Any, sep: str | None = " ", end: str | None = "\n", flush: bool = False) -> None:
        if self._left <= 0:  # before anything is made into text: a flood costs nothing
            return
        if type(sep) not in (str, type(None)) or type(end) not in (str, type(None)):
            raise TypeError("print() takes text as sep and end.")
        text = (" " if sep is None else sep).join(map(str, values)) + ("\n" if end is None else end)
        self._add(text)

    def close(self) -> None:
        self._left = 0
        self._write = None

    def _add(self, text: str) -> None:
        text = escaped(text[: self._left])  # a character has at least one byte
        size = len(text.encode())
        if size > self._left:
            text = text.encode()[: self._left].decode(errors="ignore")
        self._left -= size
        if self._left <= 0:
            text += _CUT.format(limit=self._limit)
        self._pieces.append(text)
        if self._write:
            self._write(text)


_Log.print.__qualname__ = "print"  # in Python's own messages


def escaped(text: str) -> str:
    """
    Return *text* with what would act on a terminal or fool a reader written out: "\\x1b", "\\u202e".
    """
    return _CONTROL.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _import_from_c(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> None:
    """
    Answer imports that C code makes while a hook's frame is the current one: strftime asks for time, strptime for
    _strptime, Pattern.sub for re.

    Compiled hooks have no import opcode and cannot name this function; C code passes its list of names as a list, drops
    the result and takes the module from sys.modules, so none is handed out here.
    """
    if type(fromlist) is not list or name not in sys.modules:
        raise ImportError(f"import {name}: hooks have no such module.")
