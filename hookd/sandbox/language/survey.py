"""
What a file says about itself before it is compiled: names, functions, and what is legal but hardly meant.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches

from hookd.errors import Problem
from hookd.sandbox.language import refusals
from hookd.sandbox.language.module import Function
from hookd.sandbox.language.modules import OFFERED
from hookd.sandbox.language.plain import Json, NotPlain, plain

_LEGACY_KEYS = frozenset({"call", "conversation"})
_HALF = re.compile("[\ud800-\udfff]")
_ODD_SHOWN_MAX = 60
_TEMPLATE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.html")
# To look for the nearest name takes time with the square of the names; a file can have ten thousand.
_UNKNOWN_MAX = 20
_KNOWN_COMPARED_MAX = 500
_NAME_COMPARED_MAX = 60
# Where statements have statements in them; handlers and cases are none themselves, but have a body.
_BODIES = ("body", "orelse", "finalbody", "handlers", "cases")
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_CLOCK_REMEDY = "Write clock.now(): it has the site's zone, and tests can freeze it."


@dataclass(frozen=True, slots=True)
class Survey:
    """
    What is known of a file.

    Attributes:
        bound: Every name that is bound anywhere in it, in any scope.
        names: Those bound at its top.
        modules: Names that nothing but imports of one offered module binds, and that module.
        templates: (name, line, whether it is the page's) of each text that names a template.
    """

    bound: frozenset[str]
    names: frozenset[str]
    modules: Mapping[str, str]
    functions: Mapping[str, Function]
    warnings: tuple[Problem, ...]
    templates: tuple[tuple[str, int, bool], ...] = ()


def survey(tree: ast.Module, file: str, builtins: frozenset[str]) -> Survey:
    """
    Return what *tree*, not yet transformed, says about itself; *builtins* are the names that every hook has.
    """
    nodes = _nodes(tree)
    counts = Counter(name for node in nodes for name in _bindings(node))
    functions = {node.name: _function(node) for node in tree.body if isinstance(node, ast.FunctionDef)}
    warnings = [
        *_lost_changes(functions, file),
        *_machine_times(nodes, file),
        *_unknown_names(_executed(nodes), frozenset(counts) | builtins, file),
        *_format_calls(nodes, file),
    ]
    return Survey(
        bound=frozenset(counts),
        names=frozenset(_top_names(tree.body)),
        modules=_modules(nodes, counts),
        functions=functions,
        warnings=tuple(sorted(set(warnings), key=lambda problem: problem.line)),
        templates=tuple(sorted(_templates(nodes), key=lambda found: found[1])),
    )


def _nodes(tree: ast.AST) -> list[ast.AST]:
    """
    All nodes of *tree*, those above first, as from `ast.walk`: in half of its time, and without what says how a name is
    used, of which nobody asks here.
    """
    found = [tree]
    for node in found:  # which grows meanwhile
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                if not isinstance(value, ast.expr_context):
                    found.append(value)
            elif type(value) is list:
                found += [each for each in value if isinstance(each, ast.AST)]
    return found


def _bindings(node: ast.AST) -> Iterator[str]:
    """The names that *node* itself binds."""
    match node:
        case ast.Name(ctx=ast.Store() | ast.Del()):
            yield node.id
        case ast.arg():
            yield node.arg
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.alias():
            yield node.asname or node.name.partition(".")[0]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name
        case ast.Global() | ast.Nonlocal():
            yield from node.names


def _top_names(body: list[ast.stmt]) -> Iterator[str]:
    """Names bound in the file's own scope: in all but the bodies of functions and classes."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        yield from _bindings(node)
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            waiting.extend(_globals(node))
        elif not isinstance(node, ast.AsyncFunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def _globals(node: ast.FunctionDef | ast.ClassDef) -> Iterator[ast.Global]:
    return (inner for inner in _statements(node.body) if isinstance(inner, ast.Global))


def _modules(nodes: list[ast.AST], counts: Mapping[str, int]) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    imports: Counter[str] = Counter()
    for node in nodes:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            path = f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else alias.name
            path = path if alias.asname or isinstance(node, ast.ImportFrom) else path.partition(".")[0]
            found.setdefault(name, set()).add(path)
            imports[name] += 1
    return {
        name: path
        for name, paths in found.items()
        for path in paths
        if len(paths) == 1 and path in OFFERED and imports[name] == counts[name]
    }


def _function(node: ast.FunctionDef) -> Function:
    plain, odd = _parameters(node.args)
    inner = [each for statement in node.body for each in _nodes(statement)]
    names = {argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
    returned = sorted(_returned(node), key=lambda value: value.lineno)
    # What was read from the request may be handed back unaltered, whatever the point's reply has.
    read = {key for key, _ in (*_constant_keys(inner, "request"), *_got_keys(inner, "request"))}
    return Function(
        name=node.name,
        line=node.lineno,
        parameters=plain,
        odd=odd,
        mutates=frozenset(name for name in map(_changed, inner) if name in names),
        has_return=any(map(_is_result, _statements(node.body, inner=False))),
        settings_keys=_told(_constant_keys(inner, "settings")) if "settings" in names else (),
        legacy_keys=tuple(
            (key, line)
            for key, line in (*_constant_keys(inner, "request"), *_got_keys(inner, "request"))
            if key in _LEGACY_KEYS and "request" in names
        ),
        list_names=_told(_called_names(inner, "lists", ("contains", "lookup"))) if "lists" in names else (),
        job_names=_told(_called_names(inner, "jobs", ("enqueue",))) if "jobs" in names else (),
        returned_keys=_told((key, line) for key, line in _display_keys(returned) if key not in read),
        returned_values=tuple(_literals(returned)),
    )


def _parameters(arguments: ast.arguments) -> tuple[tuple[str, ...], tuple[str, ...]]:
    plain: list[str] = []
    odd: list[str] = []
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    for argument, default in zip(positional, defaults, strict=True):
        if default is not None:
            odd.append(_with_default(argument, default))
        elif argument in arguments.args:
            plain.append(argument.arg)
        if arguments.posonlyargs and argument is arguments.posonlyargs[-1]:
            odd.append("/")
    if arguments.vararg:
        odd.append(f"*{arguments.vararg.arg}")
    elif arguments.kwonlyargs:
        odd.append("*")
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        odd.append(_with_default(argument, default) if default else argument.arg)
    if arguments.kwarg:
        odd.append(f"**{arguments.kwarg.arg}")
    return tuple(plain), tuple(odd)


def _with_default(argument: ast.arg, default: ast.expr) -> str:
    shown = ast.unparse(default) if isinstance(default, ast.Constant | ast.Name) else "…"
    return f"{argument.arg}={shown}"[:_ODD_SHOWN_MAX]


def _changed(node: ast.AST) -> str:
    """The name into whose items *node* assigns, or ""."""
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        value: ast.expr = node
        while isinstance(value, ast.Subscript | ast.Attribute):
            value = value.value
        return value.id if isinstance(value, ast.Name) else ""
    return ""


def _statements(body: list[ast.stmt], *, inner: bool = True) -> Iterator[ast.AST]:
    """
    The statements in *body* and those in them, *inner* functions and classes included or not. That is far less than all
    nodes, most of which are in expressions.
    """
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        yield node
        if inner or not isinstance(node, _SCOPES):
            for name in _BODIES:
                waiting.extend(getattr(node, name, ()))


def _is_result(node: ast.AST) -> bool:
    if not isinstance(node, ast.Return) or node.value is None:
        return False
    return not (isinstance(node.value, ast.Constant) and node.value.value is None)


def _returned(function: ast.FunctionDef) -> Iterator[ast.expr]:
    """What *function* itself returns, as written; of `a if b else c` both, of `a or b` the last."""
    waiting = [
        statement.value
        for statement in _statements(function.body, inner=False)
        if isinstance(statement, ast.Return) and statement.value
    ]
    while waiting:
        value = waiting.pop()
        if isinstance(value, ast.IfExp):
            waiting += [value.body, value.orelse]
        elif isinstance(value, ast.BoolOp):
            waiting.append(value.values[-1])
        else:
            yield value


def _display_keys(returned: list[ast.expr]) -> Iterator[tuple[str, int]]:
    """Each literal key in the dicts among what is *returned*."""
    for node in returned:
        for key in node.keys if isinstance(node, ast.Dict) else ():
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, key.lineno


def _literals(returned: list[ast.expr]) -> Iterator[tuple[Json, int]]:
    """
    Each literal among what is *returned* that is no dict, and not None. Lists in lists and what JSON cannot say are
    left out: a worker's answer has limits.
    """
    for node in returned:
        parts = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
        if all(isinstance(part, ast.Constant | ast.UnaryOp) for part in parts):
            with suppress(ValueError, NotPlain):  # -number is no literal, b"1" no plain data
                value = plain(ast.literal_eval(node))
                if value is not None:
                    yield value, node.lineno


def _told(names: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """*names* and their lines, without those with half a character (a lone surrogate): no worker could tell them."""
    return tuple((name, line) for name, line in names if not _HALF.search(name))


def _constant_keys(nodes: list[ast.AST], name: str) -> Iterator[tuple[str, int]]:
    """Each `name["key"]` that is read."""
    for node in nodes:
        match node:
            case ast.Subscript(value=ast.Name(id=read), slice=ast.Constant(value=str(key)), ctx=ast.Load()):
                if read == name:
                    yield key, node.lineno


def _got_keys(nodes: list[ast.AST], name: str) -> Iterator[tuple[str, int]]:
    """Each `name.get("key", …)`."""
    for node in nodes:
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=read), attr="get"), args=[ast.Constant(value=str(key)), *_]
            ):
                if read == name:
                    yield key, node.lineno


def _called_names(nodes: list[ast.AST], tool: str, methods: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Each name in `tool.method("name", …)` and `tool.method(name="name", …)`."""
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=method)) if (
                owner == tool and method in methods
            ):
                named = [keyword.value for keyword in node.keywords if keyword.arg == "name"]
                for value in node.args[:1] or named:
                    if isinstance(value, ast.Constant) and isinstance(value.value, str):
                        yield value.value, node.lineno


def _templates(nodes: list[ast.AST]) -> Iterator[tuple[str, int, bool]]:
    """Each text that is a template's name, and whether it stands as {"template": …}, be it one of several there."""
    pages: set[ast.AST] = set()
    for node in nodes:
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "template":
                    pages |= set(ast.walk(value)) if isinstance(value, ast.IfExp | ast.BoolOp) else {value}
    for node in nodes:
        match node:
            case ast.Constant(value=str(name)) if node in pages or _TEMPLATE.fullmatch(name):
                yield name, node.lineno, node in pages


def _executed(nodes: list[ast.AST]) -> list[ast.AST]:
    """*nodes* without those of annotations, which may name what there is not."""
    annotations = (
        getattr(node, name, None) for node in nodes for name in ("annotation", "returns") if hasattr(node, name)
    )
    dropped = {inner for annotation in annotations if annotation for inner in ast.walk(annotation)}
    return [node for node in nodes if node not in dropped]


def _lost_changes(functions: Mapping[str, Function], file: str) -> Iterator[Problem]:
    # Helpers may well change what they get; the hook itself, which has the file's name, is asked what it returns.
    function = functions.get(file.rpartition("/")[2].removesuffix(".py"))
    if function and "request" in function.mutates and not function.has_return:
        yield Problem(
            file,
            function.line,
            f"{function.name} changes request, but returns nothing: the change is lost.",
            'Return what changes: return {"KEY": value}, or return request.',
        )


def _machine_times(nodes: list[ast.AST], file: str) -> Iterator[Problem]:
    classes = {"datetime": "datetime.datetime", "date": "datetime.date"}
    imported = {
        alias.asname or alias.name: classes[alias.name]
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module == "datetime"
        for alias in node.names
        if alias.name in classes
    }
    modules = {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == "datetime"
    }
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)):
                kind = imported.get(name, "")
            case ast.Call(func=ast.Attribute(value=ast.Attribute(value=ast.Name(id=name), attr=inner), attr=method)):
                kind = classes.get(inner, "") if name in modules else ""
            case _:
                continue
        if (kind == "datetime.datetime" and method in ("now", "utcnow", "today")) or (kind and method == "today"):
            shown = f"{kind.removeprefix('datetime.')}.{method}()"
            yield Problem(file, node.lineno, f"{shown} is not the site's clock: tests cannot freeze it.", _CLOCK_REMEDY)


def _unknown_names(nodes: list[ast.AST], known: frozenset[str], file: str) -> Iterator[Problem]:
    names: dict[str, int] = {}
    for node in nodes:
        if isinstance(node, ast.Name):
            names[node.id] = min(node.lineno, names.get(node.id, node.lineno))
    unknown = [name for name in names if name not in known and name not in refusals.NAMES]
    for name in sorted(unknown, key=lambda name: names[name])[:_UNKNOWN_MAX]:
        near = get_close_matches(name[:_NAME_COMPARED_MAX], sorted(known)[:_KNOWN_COMPARED_MAX], n=1)
        remedy = f"Did you mean {near[0]}?" if near else "Give it a value first, or ask for it as a parameter."
        yield Problem(file, names[name], f"{name} is defined nowhere in this file.", remedy)


def _format_calls(nodes: list[ast.AST], file: str) -> Iterator[Problem]:
    """Calls of .format() on what may be text, in files that have no such method of their own."""
    defined = any(isinstance(node, ast.FunctionDef) and node.name in ("format", "format_map") for node in nodes)
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name() | ast.Subscript(), attr="format" | "format_map")):
                if not defined:
                    yield Problem(file, node.lineno, f".format(): {refusals.FORMAT.reason}", refusals.FORMAT.remedy)
