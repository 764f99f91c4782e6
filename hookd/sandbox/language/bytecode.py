"""
A second look at compiled hooks: what the transformer must not have let through.

RestrictedPython's holes of the last years were constructs that its transformer overlooked (a positional-only parameter
named like a guard, `except*`). The result is easier to check than the tree: a few opcodes never occur in a hook, and
the guards' names are never bound.
"""

import dis
from collections.abc import Iterator
from types import CodeType

from hookd.sandbox.language.classes import METHODS, is_reserved

GUARDS = frozenset(
    [
        "_getattr_",
        "_super_",
        "_write_",
        "_writeattr_",
        "_augitem_",
        "_augattr_",
        "_key_",
        "_import_",
        "_from_",
        "_metaclass_",
    ]
)

# All of these read attributes or import in C, past the guards; names differ between Python versions.
_FORBIDDEN_NAMES = (
    *("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "LOAD_SUPER_METHOD"),
    *("IMPORT_NAME", "IMPORT_FROM", "IMPORT_STAR", "MATCH_CLASS"),
    *("GET_AWAITABLE", "GET_AITER", "GET_ANEXT", "BEFORE_ASYNC_WITH", "CHECK_EG_MATCH", "PREP_RERAISE_STAR"),
)
_FORBIDDEN = frozenset(dis.opmap[name] for name in _FORBIDDEN_NAMES if name in dis.opmap)
_BINDING_NAMES = ("STORE_NAME", "DELETE_NAME", "STORE_GLOBAL", "DELETE_GLOBAL")
_BINDING = frozenset(dis.opmap[name] for name in _BINDING_NAMES)
_BY_COMPILER = METHODS | {
    *("__name__", "__module__", "__qualname__", "__doc__", "__class__", "__classcell__", "__classdict__"),
    *("__static_attributes__", "__firstlineno__", "__classdictcell__"),
}


def faults(code: CodeType) -> list[str]:
    """
    Return what *code*, and the code in it, has of what no hook may have; in words for the log.
    """
    return [fault for each in _nested(code) for fault in _faults(each)]


def _nested(code: CodeType) -> Iterator[CodeType]:
    waiting = [code]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(constant for constant in current.co_consts if isinstance(constant, CodeType))


def _faults(code: CodeType) -> Iterator[str]:
    # Opcodes stand at even places, and so do the caches between them, which are zero in co_code.
    for opcode in sorted(_FORBIDDEN.intersection(code.co_code[::2])):
        yield f"{code.co_name} has {dis.opname[opcode]}"
    for name in (*code.co_varnames, *code.co_cellvars, *code.co_freevars):
        if is_reserved(name) and name not in _BY_COMPILER:
            yield f"{code.co_name} has a variable {name}"
    for name in code.co_names:
        if is_reserved(name) and name not in _BY_COMPILER | GUARDS:
            yield f"{code.co_name} uses {name}"
    if GUARDS.intersection(code.co_names):
        yield from (f"{code.co_name} binds {name}" for name in _bound(code) if name in GUARDS)


def _bound(code: CodeType) -> Iterator[str]:
    """The names that *code* assigns or deletes, outside of local variables."""
    extended = 0
    instructions = code.co_code  # made anew each time that it is asked for
    for opcode, argument in zip(instructions[::2], instructions[1::2], strict=True):
        argument |= extended
        extended = argument << 8 if opcode == dis.EXTENDED_ARG else 0
        if opcode in _BINDING:
            yield code.co_names[argument]
