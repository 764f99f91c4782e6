"""
The language of hooks: ordinary Python without the parts that reach beyond a run.

    compile_source   text → Module, or LoadError with all that is wrong    (compiler: survey, transformer, bytecode)
    lib_problems     imports between files that would fail                 (libs)
    Session          one run: globals, imports, random numbers, log        (session: guards, classes, modules, facades)
    plain            what a hook returned → a document, or NotPlain        (plain)
    explain          an exception → file, line, message, remedy            (explain)
    warm_up          executes all of it once, so that a locked process needs no file afterwards

What is allowed stands in `attributes` (by type), `classes` (methods, bases) and `modules` (imports); why the rest is
not, and what to write instead, in `refusals`.

It is a guard rail, with words for people. The boundary is the process around it: everything here assumes that code
which gets past the guards, uses up memory or never ends meets the jail.
"""

from hookd.sandbox.language.compiler import compile_source
from hookd.sandbox.language.explain import explain
from hookd.sandbox.language.facades import zone
from hookd.sandbox.language.guards import attribute_guards
from hookd.sandbox.language.libs import lib_problems
from hookd.sandbox.language.module import Function, Module
from hookd.sandbox.language.modules import OFFERED
from hookd.sandbox.language.plain import NotPlain, plain
from hookd.sandbox.language.session import Session
from hookd.sandbox.language.warmup import warm_up

__all__ = [
    "OFFERED",
    "Function",
    "Module",
    "NotPlain",
    "Session",
    "attribute_guards",
    "compile_source",
    "explain",
    "lib_problems",
    "plain",
    "warm_up",
    "zone",
]
