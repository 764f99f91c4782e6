"""
Syntax nodes that the transformer writes: calls of guards, placed where the hook's own code stood.
"""

import ast
from typing import Any


def call(guard: str, place: ast.AST, *arguments: Any) -> ast.Call:
    """
    Return `guard(*arguments)` at *place*; constants among the arguments get their place there too.
    """
    for argument in arguments:
        if isinstance(argument, ast.Constant) and not hasattr(argument, "lineno"):
            ast.copy_location(argument, place)
    return ast.copy_location(ast.Call(name(guard, place), list(arguments), []), place)


def name(name: str, place: ast.AST) -> ast.Name:
    """
    Return the reading of *name*.
    """
    return ast.copy_location(ast.Name(name, ast.Load()), place)


def bind(place: ast.stmt, name: str, guard: str, *arguments: object) -> ast.Assign:
    """
    Return `name = guard(*arguments)`, of constant arguments.
    """
    target = ast.copy_location(ast.Name(name, ast.Store()), place)
    constants = (ast.Constant(argument) for argument in arguments)  # type: ignore[arg-type]  # texts and bools
    return ast.copy_location(ast.Assign([target], call(guard, place, *constants)), place)


def key(key: ast.expr, place: ast.AST) -> ast.expr:
    """
    Return the *key* of a subscript as a value: slices have no form of their own outside of [ ].
    """
    parts = key.elts if isinstance(key, ast.Tuple) else [key]
    if not any(isinstance(part, ast.Slice) for part in parts):
        return key
    return ast.copy_location(ast.Subscript(name("_key_", place), key, ast.Load()), place)
