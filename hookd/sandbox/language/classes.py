"""
Classes that hooks define: which methods with two underscores they may have, and on what they may build.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from hookd.sandbox.language.remedies import name_of, with_remedy

# Methods with two underscores that a hook's classes may define. Python calls them for the hook's own operators and for
# host code that gets such an object; that host code checks exact types first. Not here, and why:
#   __new__ __init_subclass__ __class_getitem__ __set_name__ __prepare__ take part in making classes
#   __getattr__ __getattribute__ __setattr__ __delattr__ __get__ __set__ __delete__ answer reads that host code makes
#   __del__ runs whenever memory is freed, in another run too
#   __reduce__ __getstate__ __copy__ drive pickle and copy
#   __index__ __int__ __float__ __bytes__ __format__ __length_hint__ run in the middle of C code that is converting
#   __class__ __dict__ __slots__ __match_args__ __instancecheck__ __missing__ __await__ are no use here
METHODS = frozenset(
    {
        *("__init__", "__str__", "__repr__", "__call__", "__enter__", "__exit__"),
        *("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__", "__bool__"),
        *("__len__", "__iter__", "__next__", "__reversed__", "__contains__"),
        *("__getitem__", "__setitem__", "__delitem__"),
        *("__neg__", "__pos__", "__abs__", "__invert__", "__round__"),
        *(
            f"__{kind}{name}__"
            for name in (
                *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"),
                *("lshift", "rshift", "and", "or", "xor"),
            )
            for kind in ("", "r", "i")
        ),
        *("__divmod__", "__rdivmod__"),
    }
)

# What the compiler itself writes into a class body, on any supported Python.
_CLASS_NAMES = METHODS | {
    *("__module__", "__qualname__", "__doc__", "__classcell__", "__classdictcell__"),
    *("__static_attributes__", "__firstlineno__"),
}

# Exceptions that hooks may catch, raise and build on: all ordinary ones.
EXCEPTIONS: Mapping[str, type[Exception]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            *(Exception, ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, FloatingPointError),
            *(ImportError, IndexError, KeyError, LookupError, MemoryError, ModuleNotFoundError, NameError),
            *(NotImplementedError, OSError, OverflowError, PermissionError, RecursionError, ReferenceError),
            *(RuntimeError, StopIteration, SyntaxError, SystemError, TimeoutError, TypeError, UnboundLocalError),
            *(UnicodeError, UnicodeDecodeError, UnicodeEncodeError, ValueError, ZeroDivisionError),
            *(ConnectionError, FileNotFoundError, FileExistsError, InterruptedError),
            *(Warning, UserWarning, DeprecationWarning, RuntimeWarning),
        )
    }
)
_BASES = frozenset({object, *EXCEPTIONS.values()})


class HookClass(type):
    """
    The class of all classes that hooks define.

    They build on one another, on object and on ordinary exceptions, never on str, dict or a tool: host code that
    checks for those types would call the hook's methods in their place.
    """

    _is_exception_: bool

    def __new__(mcs, name: str, bases: tuple[Any, ...], namespace: dict[str, Any]) -> "HookClass":
        for base in bases:
            if type(base) is not HookClass and base not in _BASES:
                raise with_remedy(
                    TypeError(f"class {name} cannot build on {name_of(base)}."),
                    "Build on nothing, on another class of yours or on Exception, and keep the value inside: "
                    "self.items = {}",
                )
        for key in namespace:
            if key.startswith("__") and key not in _CLASS_NAMES:  # the compiler refused it before
                raise TypeError(f"class {name} cannot define {key}.")
        created = super().__new__(mcs, name, bases, namespace)
        created._is_exception_ = issubclass(created, BaseException)
        return created


def is_reserved(name: str) -> bool:
    """
    Whether *name* belongs to Python (`__x`) or to the guards (`_x_`), not to hooks.
    """
    return name.startswith("__") or (name.startswith("_") and name.endswith("_") and name != "_")
