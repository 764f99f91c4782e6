"""
Turns the syntax tree of a hook into one that does only what hooks may do, and says what they may not.

RestrictedPython refuses every kind of node that it does not know, and gives us the walk; what we allow beyond it, and
the words for people, are here. Differences to its own policy, each with its reason:

* Imports become calls of `_import_` and `_from_`, so that no opcode of Python's import machinery is left, with its
  ways around a guarded importer (`from x import y` reads attributes in C and falls back to sys.modules).
* Iteration, unpacking, subscript reads, operators and calls stay as they are (see `guards` for why).
* Annotations are checked, then dropped: they are for readers, and need no names of `typing` that way.
* `x[k] += v` and `x.a += v` become two calls, one before and one after v is evaluated, as Python does it.
* Names with one leading underscore are the hook's own; the guards' names also end in one.
* match, nonlocal, annotated assignments, print, super() and most operator methods are ordinary Python.
"""

import ast
import keyword
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from RestrictedPython.transformer import INSPECT_ATTRIBUTES, IOPERATOR_TO_STR, RestrictingNodeTransformer

from hookd.errors import Problem
from hookd.sandbox.language import nodes, refusals
from hookd.sandbox.language.classes import METHODS, is_reserved
from hookd.sandbox.language.imports import import_fault, member_fault
from hookd.sandbox.language.modules import OFFERED
from hookd.sandbox.language.refusals import Refusal

Node = TypeVar("Node", bound=ast.AST)

_BUILTIN_BASES = frozenset(
    ["str", "bytes", "int", "float", "bool", "list", "tuple", "dict", "set", "frozenset", "type", "property", "super"]
)
_NAME_SHOWN_MAX = 60
_PROBLEMS_MAX = 100  # a file with more is not corrected line by line
_FINALLY_DEPTH_MAX = (
    6  # CPython compiles each finally block twice: 19 in one another are 2.7 s and a million instructions
)


class Transformer(RestrictingNodeTransformer):
    """
    Rewrites one tree in place, and collects what is wrong with it.

    Attributes:
        lib_names: (lib file, name in it or "", line) of each import from lib.
        is_exponential: Whether Python's compiler had better not see the file.
    """

    def __init__(self, file: str, bound: Iterable[str], modules: Mapping[str, str]) -> None:
        """
        Args:
            file: For the problems.
            bound: Every name that the file binds anywhere: builtins of these names are the hook's own.
            modules: Names that imports of modules alone bind, and the module.
        """
        super().__init__()
        self.lib_names: list[tuple[str, str, int]] = []
        self._file = file
        self._bound = frozenset(bound)
        self._modules = modules
        self._is_class_body = False
        self._is_annotation = False
        self._finally_depth = 0
        self.is_exponential = False
        self._found: dict[Problem, int] = {}  # problem → column where its place ends

    # Problems.

    @property
    def problems(self) -> list[Problem]:
        """All that is wrong, in order of appearance."""
        return sorted(self._found, key=lambda problem: (problem.line, self._found[problem]))

    def _refuse(self, node: Any, message: str, remedy: str = "") -> None:
        if len(self._found) < _PROBLEMS_MAX:
            problem = Problem(self._file, getattr(node, "lineno", 0), message, remedy)
            self._found.setdefault(problem, getattr(node, "end_col_offset", 0))

    def _refuse_if(self, node: Any, refusal: Refusal | None) -> None:
        if refusal:
            self._refuse(node, refusal.reason, refusal.remedy)

    def error(self, node: ast.AST, info: str) -> None:
        """RestrictedPython's own refusals that nothing here words better."""
        self._refuse(node, info)

    def not_allowed(self, node: ast.AST) -> None:
        kind = type(node).__name__
        refusal = refusals.SYNTAX.get(kind, Refusal("hooks cannot use it.", "Write it in another way."))
        self._refuse(node, f"{_SYNTAX_WORDS.get(kind, kind)}: {refusal.reason}", refusal.remedy)

    # The walk.

    def node_contents_visit(self, node: Node) -> Node:
        """
        Visit what is in *node*.

        Python's own walk takes two more frames for each level, which would refuse chains of 250 `elif` or `+`.
        """
        for name, old in ast.iter_fields(node):
            if isinstance(old, ast.AST):
                setattr(node, name, getattr(self, "visit_" + type(old).__name__, self.generic_visit)(old))
            elif isinstance(old, list):
                new: list[Any] = []
                for each in old:
                    if isinstance(each, ast.AST):
                        each = getattr(self, "visit_" + type(each).__name__, self.generic_visit)(each)
                    if isinstance(each, list):
                        new.extend(each)
                    else:
                        new.append(each)
                setattr(node, name, new)
        return node

    def _visit(self, node: Any) -> Any:
        return getattr(self, "visit_" + type(node).__name__, self.generic_visit)(node)

    def _visit_all(self, each: list[Any]) -> list[Any]:
        visited = map(self._visit, each)
        return [node for found in visited for node in (found if isinstance(found, list) else [found])]

    # Names.

    def check_name(self, node: Any, name: str | None, allow_magic_methods: bool = False) -> None:
        """Refuse to bind *name*, or to read it, where it is Python's or the guards'."""
        is_method = allow_magic_methods and self._is_class_body
        if name is None or not is_reserved(name) or (is_method and name in METHODS):
            return
        shown = name[:_NAME_SHOWN_MAX]
        own = shown.strip("_") or "value"
        is_dunder = name.startswith("__") and name.endswith("__")
        if name in refusals.NAMES:
            self._refuse(node, f"{shown}: {refusals.NAMES[name].reason}", refusals.NAMES[name].remedy)
        elif is_method and is_dunder:
            self._refuse(node, f"def {shown}: a class cannot define it here.", _METHODS_REMEDY)
        elif allow_magic_methods and name in METHODS:
            self._refuse(node, f"def {shown}: it belongs into a class.", f"Call it {own}.")
        elif is_dunder:
            self._refuse(node, f"{shown}: {refusals.RESERVED_NAME.reason}", refusals.RESERVED_NAME.remedy)
        else:
            self._refuse(
                node,
                f"{shown}: names with two underscores, or with one at both ends, are not yours.",
                f"Call it {own + '_' if keyword.iskeyword(own) else own}.",
            )

    def visit_Name(self, node: ast.Name) -> ast.AST:
        name = node.id
        if isinstance(node.ctx, ast.Load) and name not in self._bound and not self._is_annotation:
            if name in refusals.NAMES:
                self._refuse(node, f"{name}: {refusals.NAMES[name].reason}", refusals.NAMES[name].remedy)
                return node
            if name == "super":
                self._refuse(node, "super is called in a method, without arguments.", "Write super().name(…).")
        self.check_name(node, name)
        return node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        for name in node.names:
            self.check_name(node, name)
        return node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        for name in node.names:
            self.check_name(node, name)
        return node

    # Attributes.

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        is_read = isinstance(node.ctx, ast.Load)
        if is_read and self._is_super(node.value) and node.attr in METHODS:
            return nodes.call("_super_", node, node.value, ast.Constant(node.attr))
        self._check_attribute(node)
        self._check_member(node)
        node.value = self._visit(node.value)
        if is_read:
            return nodes.call("_getattr_", node, node.value, ast.Constant(node.attr))
        node.value = nodes.call("_writeattr_", node, node.value, ast.Constant(node.attr))
        return node

    def _check_attribute(self, node: ast.Attribute) -> None:
        name = node.attr
        shown = f".{name[:_NAME_SHOWN_MAX]}"
        if name in ("format", "format_map") and _is_text(node.value):
            self._refuse(node, f"{shown}(): {refusals.FORMAT.reason}", refusals.FORMAT.remedy)
        elif name == "__name__" and isinstance(node.ctx, ast.Load):
            return
        elif name in INSPECT_ATTRIBUTES:
            self._refuse(node, f"{shown}: {refusals.INSPECTION.reason}", refusals.INSPECTION.remedy)
        elif is_reserved(name):
            refusal = refusals.ATTRIBUTES.get(name, refusals.RESERVED_ATTRIBUTE)
            self._refuse(node, f"{shown}: {refusal.reason}", refusal.remedy)

    def _check_member(self, node: ast.Attribute) -> None:
        """Refuse `json.load` while the file is checked, not when a call comes to it."""
        module = self._module(node.value)
        is_read = isinstance(node.ctx, ast.Load) and not self._is_annotation
        if module and is_read and f"{module}.{node.attr}" not in OFFERED:
            self._refuse_if(node, member_fault(module, node.attr))

    def _module(self, node: ast.expr) -> str:
        """The module that *node* certainly is, or "": a name that only imports bind."""
        if isinstance(node, ast.Name):
            return self._modules.get(node.id, "")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = f"{self._modules.get(node.value.id, '')}.{node.attr}"
            return name if name in OFFERED else ""
        return ""

    def _is_super(self, node: ast.expr) -> bool:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "super"
            and not node.args
            and not node.keywords
            and "super" not in self._bound
        )

    # Expressions.

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return node if self._is_super(node) else self.node_contents_visit(node)

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        self.check_name(node, node.arg)
        return self.node_contents_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        node = self.node_contents_visit(node)
        if not isinstance(node.ctx, ast.Load):
            node.value = nodes.call("_write_", node, node.value)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        if node.is_async:
            self._refuse(node.target, "async for: there is no async here.", "Write it without async.")
        return self.node_contents_visit(node)

    def visit_TemplateStr(self, node: ast.AST) -> ast.AST:
        self.not_allowed(node)
        return node

    # Statements.

    def visit_For(self, node: ast.For) -> ast.AST:
        return self.node_contents_visit(node)

    def visit_With(self, node: ast.With) -> ast.AST:
        return self.node_contents_visit(node)

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self.node_contents_visit(node)

    def visit_Try(self, node: ast.Try) -> ast.AST:
        node.body = self._visit_all(node.body)
        node.handlers = self._visit_all(node.handlers)
        node.orelse = self._visit_all(node.orelse)
        if node.finalbody:
            self._finally_depth += 1
            if self._finally_depth > _FINALLY_DEPTH_MAX:
                self.is_exponential = True
                self._refuse(
                    node, f"more than {_FINALLY_DEPTH_MAX} finally in one another.", "Write a function for the rest."
                )
            node.finalbody = self._visit_all(node.finalbody)
            self._finally_depth -= 1
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        # `__radd__ = __add__` in a class body is a method too.
        names = [*node.targets, node.value]
        if self._is_class_body and all(isinstance(name, ast.Name) and name.id in METHODS for name in names):
            return node
        return self.node_contents_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self._check_annotation(node.annotation)
        target = self._visit(node.target)
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign([target], self._visit(node.value)), node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        target = node.target
        if isinstance(target, ast.Name):
            return self.node_contents_visit(node)
        sign = ast.Constant(IOPERATOR_TO_STR[type(node.op)])
        value = self._visit(node.value)
        if isinstance(target, ast.Attribute):
            self._check_attribute(target)
            start = nodes.call("_augattr_", node, sign, self._visit(target.value), ast.Constant(target.attr))
        else:
            start = nodes.call(
                "_augitem_", node, sign, self._visit(target.value), nodes.key(self._visit(target.slice), node)
            )
        finish = ast.copy_location(ast.Call(start, [value], []), node)
        return ast.copy_location(ast.Expr(finish), node)

    # Imports.

    def visit_Import(self, node: ast.Import) -> Any:
        if getattr(node, "is_lazy", 0):
            self._refuse(node, "lazy import is not offered.", "Write import alone.")
        statements = []
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            self.check_name(node, name)
            self._refuse_if(node, import_fault(alias.name))
            if alias.name.startswith("lib."):
                self.lib_names.append((alias.name.removeprefix("lib."), "", node.lineno))
            is_top = alias.asname is None and "." in alias.name
            statements.append(nodes.bind(node, name, "_import_", alias.name, is_top))
        return statements

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        if getattr(node, "is_lazy", 0):
            self._refuse(node, "lazy import is not offered.", "Write import alone.")
        if node.level:
            self._refuse(node, "from . import: there are no packages here.", "Write from lib.name import …")
            return node
        module = node.module or ""
        if module == "__future__":  # annotations are not executed anyway, the others are Python 3 already
            return ast.copy_location(ast.Pass(), node)
        if module != "lib":
            self._refuse_if(node, import_fault(module))
        return [self._import_name(node, module, alias) for alias in node.names]

    def _import_name(self, node: ast.ImportFrom, module: str, alias: ast.alias) -> ast.AST:
        name = alias.name
        target = alias.asname or name
        if name == "*":
            self._refuse(node, f"from {module} import *: name what you need.", f"Write from {module} import a, b.")
            return node
        self.check_name(node, target)
        if module == "lib":
            self._refuse_if(node, import_fault(f"lib.{name}"))
            self.lib_names.append((name, "", node.lineno))
            return nodes.bind(node, target, "_import_", f"lib.{name}", False)
        if module.startswith("lib."):
            if name.startswith("_"):
                self._refuse(
                    node,
                    f"from {module} import {name}: names that start with _ stay in their file.",
                    f"Rename it to {name.strip('_')} there.",
                )
            self.lib_names.append((module.removeprefix("lib."), name, node.lineno))
        elif f"{module}.{name}" in OFFERED:
            return nodes.bind(node, target, "_import_", f"{module}.{name}", False)
        elif module in OFFERED:
            self._refuse_if(node, member_fault(module, name))
        return nodes.bind(node, target, "_from_", module, name)

    # Functions and classes.

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.check_name(node, node.name, allow_magic_methods=True)
        self.check_function_argument_names(node)
        for kind in getattr(node, "type_params", []):
            self.not_allowed(kind)
        node.decorator_list = self._visit_all(node.decorator_list)
        node.args = self.node_contents_visit(node.args)
        self._check_annotation(node.returns)
        node.returns = None
        outer, self._is_class_body = self._is_class_body, False
        node.body = self._visit_all(node.body)
        self._is_class_body = outer
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        self._check_annotation(node.annotation)
        node.annotation = None
        return node

    def _check_annotation(self, annotation: ast.expr | None) -> None:
        # It is dropped, so that it may name what there is not; what reaches into Python itself is told all the same.
        if annotation:
            self._is_annotation = True
            self._visit(annotation)
            self._is_annotation = False

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.check_name(node, node.name)
        for kind in getattr(node, "type_params", []):
            self.not_allowed(kind)
        for argument in node.keywords:
            self._refuse(
                node, f"class {node.name}({argument.arg or '**'}=…): classes take no keywords.", "Leave it out."
            )
        for base in node.bases:
            if isinstance(base, ast.Name) and base.id in _BUILTIN_BASES - self._bound:
                self._refuse(
                    node,
                    f"class {node.name} cannot build on {base.id}.",
                    "Build on nothing, and keep the value inside: self.items = {}",
                )
        node.decorator_list = self._visit_all(node.decorator_list)
        node.bases = self._visit_all(node.bases)
        outer, self._is_class_body = self._is_class_body, True
        node.body = self._visit_all(node.body)
        self._is_class_body = outer
        node.keywords = [ast.keyword("metaclass", nodes.name("_metaclass_", node))]
        ast.copy_location(node.keywords[0], node)
        return node

    # match: literals, sequences, mappings and captures; what would read attributes past the guard is refused.

    def visit_Match(self, node: ast.Match) -> ast.AST:
        return self.node_contents_visit(node)

    def visit_match_case(self, node: ast.match_case) -> ast.AST:
        return self.node_contents_visit(node)

    def visit_MatchValue(self, node: ast.MatchValue) -> ast.AST:
        self._check_literal(node.value)
        return node

    def visit_MatchSingleton(self, node: ast.MatchSingleton) -> ast.AST:
        return node

    def visit_MatchSequence(self, node: ast.MatchSequence) -> ast.AST:
        return self.node_contents_visit(node)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> ast.AST:
        self.check_name(node, node.rest)
        for key in node.keys:
            self._check_literal(key)
        node.patterns = self._visit_all(node.patterns)
        return node

    def visit_MatchStar(self, node: ast.MatchStar) -> ast.AST:
        self.check_name(node, node.name)
        return node

    def visit_MatchAs(self, node: ast.MatchAs) -> ast.AST:
        self.check_name(node, node.name)
        return self.node_contents_visit(node)

    def visit_MatchOr(self, node: ast.MatchOr) -> ast.AST:
        return self.node_contents_visit(node)

    def _check_literal(self, node: ast.expr) -> None:
        number = node.operand if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) else node
        if not isinstance(number, ast.Constant):
            self._refuse(
                node,
                'case takes literals, such as "304" or 5, not the value of a name.',
                "Write the value itself, or: case x if x == LIMITS.value:",
            )


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


_METHODS_REMEDY = (
    "Classes may define __init__, __str__, __eq__, __iter__, __enter__ and the like; else use a plain name."
)
_SYNTAX_WORDS = {
    "AsyncFunctionDef": "async def",
    "AsyncFor": "async for",
    "AsyncWith": "async with",
    "Await": "await",
    "TryStar": "except*",
    "MatchClass": "case with a class",
    "TypeAlias": "type",
    "TypeVar": "[T]",
    "TypeVarTuple": "[*T]",
    "ParamSpec": "[**P]",
    "TemplateStr": 't"…"',
}
