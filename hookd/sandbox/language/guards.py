"""
What runs in place of attribute access, item assignment and augmented assignment in a hook.

The transformer writes calls of these into the compiled hook, under names that no hook can bind (`_getattr_`: a
leading and a trailing underscore). Three decisions keep them few:

* Attribute reads always go through `_getattr_`, which knows exact types (`attributes`).
* Writes go through `_write_` (items) and `_writeattr_` (attributes), and reach containers of the exact plain types and
  the hook's own objects; whatever the host shares between runs is none of these.
* Iteration, unpacking, subscript reads, operators and calls stay Python's own. RestrictedPython guards them for
  policies that differ from item to item; hookd has none: whoever holds an object may look at all its items. Every
  object that a hook can hold is plain data, its own, or made to be held. Operators on mappingproxies are the one
  known way around that (see `attributes`), so none is ever handed out.
"""

import operator
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType, MappingProxyType
from typing import Any, NamedTuple

from hookd.sandbox.language.attributes import (
    ATTRIBUTES,
    CLASS_ATTRIBUTES,
    EXCEPTION_ATTRIBUTES,
    TYPES,
    WRITABLE_ATTRIBUTES,
)
from hookd.sandbox.language.classes import METHODS, HookClass, is_reserved
from hookd.sandbox.language.namespace import Namespace
from hookd.sandbox.language.refusals import FORMAT
from hookd.sandbox.language.remedies import described, short, with_remedy

Getattr = Callable[[Any, str], Any]

_ITEM_WRITABLE = frozenset({dict, list, defaultdict, OrderedDict, Counter, deque})

INPLACE: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {
        "+=": operator.iadd,
        "-=": operator.isub,
        "*=": operator.imul,
        "/=": operator.itruediv,
        "%=": operator.imod,
        "**=": operator.ipow,
        "<<=": operator.ilshift,
        ">>=": operator.irshift,
        "|=": operator.ior,
        "^=": operator.ixor,
        "&=": operator.iand,
        "//=": operator.ifloordiv,
        "@=": operator.imatmul,
    }
)


class AttributeGuards(NamedTuple):
    """
    Attribute reads, and the augmented assignments that begin with one.
    """

    read: Getattr
    getattr: Callable[..., Any]
    hasattr: Callable[[Any, str], bool]
    augment: Callable[[str, Any, str], Callable[[Any], None]]


def attribute_guards(public: Mapping[type, frozenset[str]]) -> AttributeGuards:
    """
    Return the guards of attribute reads where objects of the classes in *public* have those attributes too.
    """
    table: dict[type, frozenset[str]] = {**ATTRIBUTES, **public}

    def read(value: Any, name: str) -> Any:
        kind = type(value)
        names = table.get(kind)
        if names is None:
            return _read_other(value, kind, name)
        if name in names:
            return getattr(value, name)
        raise _no_attribute(value, name, names)

    def guarded_getattr(value: Any, name: str, *default: Any) -> Any:
        if type(name) is not str:  # a lookalike could answer differently each time it is asked
            raise TypeError("getattr() takes the attribute's name as text.")
        if len(default) > 1:
            raise TypeError("getattr() takes a value, a name and a default.")
        try:
            return read(value, name)
        except AttributeError:
            if default:
                return default[0]
            raise

    def guarded_hasattr(value: Any, name: str) -> bool:
        try:
            guarded_getattr(value, name)
        except AttributeError:
            return False
        return True

    # Python's own messages call them by these.
    guarded_getattr.__qualname__, guarded_hasattr.__qualname__ = "getattr", "hasattr"
    return AttributeGuards(read, guarded_getattr, guarded_hasattr, _attribute_augmenter(read))


def _read_other(value: Any, kind: type, name: str) -> Any:
    if type(kind) is HookClass:
        return _read_object(value, kind, name)
    if kind is Namespace:
        return value.get(name)
    if kind is HookClass:
        if name == "__name__" or _defines(value.__mro__, name):
            return getattr(value, name)
        raise _no_attribute(value, name, _own_names(value))
    if kind is type:
        names = CLASS_ATTRIBUTES.get(value, frozenset())
        if name == "__name__" or name in names:
            return getattr(value, name)
        raise _no_attribute(value, name, names)
    if kind is FunctionType and name == "__name__":
        return value.__name__
    if kind is super and _defines(_classes_below(value), name):
        return getattr(value, name)
    names = EXCEPTION_ATTRIBUTES if issubclass(kind, BaseException) else frozenset()
    if name in names:
        return getattr(value, name)
    raise _no_attribute(value, name, names)


def _read_object(value: Any, kind: Any, name: str) -> Any:
    # A plain object has no public attributes but those that the hook gave it; an exception has more than it may show.
    is_open = not kind._is_exception_ or name in EXCEPTION_ATTRIBUTES or name in vars(value)
    if not is_reserved(name) and (is_open or _defines(kind.__mro__, name)):
        return getattr(value, name)
    raise _no_attribute(value, name, frozenset({*vars(value), *_own_names(kind)}))


def _defines(classes: Iterable[Any], name: str) -> bool:
    """Whether one of the *classes* is a hook's and defines *name*."""
    return not is_reserved(name) and any(type(kind) is HookClass and name in kind.__dict__ for kind in classes)


def _classes_below(parent: Any) -> tuple[Any, ...]:
    """The classes in which super() looks."""
    classes: tuple[Any, ...] = parent.__self_class__.__mro__
    return classes[classes.index(parent.__thisclass__) + 1 :]


def _own_names(kind: Any) -> frozenset[str]:
    return frozenset(name for base in kind.__mro__ if type(base) is HookClass for name in base.__dict__)


def super_method(parent: Any, name: str) -> Any:
    """
    Return the method *name* with two underscores of the class below; the compiler checked the name.
    """
    if type(parent) is not super or name not in METHODS:
        raise TypeError("super() is called without arguments, in a method.")
    return getattr(parent, name)


def write(target: Any) -> Any:
    """
    Return *target* if its items may be assigned and deleted.
    """
    kind = type(target)
    if kind in _ITEM_WRITABLE or type(kind) is HookClass:
        return target
    remedies = {
        tuple: "Make a list of it first: list(value).",
        str: "Make a new text: text[:3] + new + text[4:], or text.replace(old, new).",
        bytes: "Make new bytes: data[:3] + new + data[4:].",
        set: "A set has value.add(item) and value.remove(item).",
        type(None): "It is empty here. Check it first: if value is not None: …",
    }
    remedy = remedies.get(kind, "Put the values into a dict or a list of your own.")
    raise with_remedy(TypeError(f"{_described(target)} does not let its items be changed."), remedy)


def write_attribute(target: Any, name: str) -> Any:
    """
    Return *target* if its attribute *name* may be assigned and deleted.
    """
    kind = type(target)
    if type(kind) is HookClass or kind is HookClass or name in WRITABLE_ATTRIBUTES.get(kind, ()):
        return target
    if kind is dict:
        raise with_remedy(TypeError(f"a dict has keys, not an attribute {name}."), f'Write value["{name}"] = …')
    raise with_remedy(
        TypeError(f"{_described(target)} does not let its attribute {name} be changed."),
        "Objects of your own classes do; for the rest, make a new value, or keep a dict.",
    )


class Keys:
    """
    Its items are their own keys: `_key_[1:2]` makes the slice of `values[1:2] += …`.
    """

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        return key


def augment_item(sign: str, target: Any, key: Any) -> Callable[[Any], None]:
    """
    Start `target[key] sign= value`: read the item now, and write it when called with the value.

    Two steps, because Python reads the item before it evaluates the value.
    """
    before = target[key]

    def finish(value: Any) -> None:
        write(target)[key] = INPLACE[sign](before, value)

    return finish


def _attribute_augmenter(read: Getattr) -> Callable[[str, Any, str], Callable[[Any], None]]:
    """
    Return what starts `target.name sign= value`, as augment_item does for items.
    """

    def augment_attribute(sign: str, target: Any, name: str) -> Callable[[Any], None]:
        before = read(target, name)

        def finish(value: Any) -> None:
            setattr(write_attribute(target, name), name, INPLACE[sign](before, value))

        return finish

    return augment_attribute


def type_of(value: Any) -> Any:
    """
    Return the class of *value* if it is plain data, an exception or an object of the hook's.
    """
    kind = type(value)
    if kind in TYPES or type(kind) is HookClass or issubclass(kind, BaseException):
        return kind
    raise with_remedy(TypeError(f"type() does not look into {_described(value)}."), "Ask with isinstance or callable.")


type_of.__qualname__ = "type"


def _no_attribute(value: Any, name: str, names: frozenset[str]) -> AttributeError:
    error = AttributeError(f"{_described(value)} has no attribute {short(name)}.")
    return with_remedy(error, _remedy(value, name, names))


def _remedy(value: Any, name: str, names: frozenset[str]) -> str:
    kind = type(value)
    if value is None:
        return "It is empty here. Check it first: if value is not None: …"
    if name in ("format", "format_map") and (kind is str or value is str):
        return FORMAT.remedy
    if issubclass(kind, dict) and not name.startswith("_"):
        return f'A dict has keys: write value["{short(name)}"], or value.get("{short(name)}").'
    if kind is list and name in ("keys", "values", "items", "get"):
        return "It is a list, not a dict: take one item first, values[0], or go through it with for."
    if kind is int and name in ("strip", "replace", "startswith", "split"):
        return "It is a number: str(value) makes text of it."
    near = sorted(offered for offered in names if not offered.startswith("_"))
    return f"It has: {', '.join(near)}." if near else ""


def _described(value: Any) -> str:
    return f"the module {value.name}" if type(value) is Namespace else described(value)
