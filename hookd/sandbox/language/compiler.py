"""
From a hook's text to a module that can be executed, or to everything that is wrong with it.
"""

import ast
import re
import warnings
from types import CodeType

from hookd.errors import LoadError, Problem
from hookd.sandbox.language import bytecode
from hookd.sandbox.language.module import Module
from hookd.sandbox.language.session import BUILTIN_NAMES
from hookd.sandbox.language.survey import Survey, survey
from hookd.sandbox.language.transformer import Transformer

# What the compiler raises for text that is no Python, or too much of it. CPython folds and nests with fixed limits.
_TOO_MUCH = (RecursionError, MemoryError, OverflowError)
_TOO_MUCH_REMEDY = "Take it apart into several lines; long if/elif chains are shorter as a dict: ACTIONS[key]."

_WARNINGS_MAX = 100  # of one file; nobody reads more

# The first pattern that matches Python's own message explains it.
_SYNTAX_HINTS = (
    (
        r"inconsistent use of tabs|unindent does not match|TabError",
        "Indent with four spaces everywhere, never with tabs.",
    ),
    (r"unexpected indent", "Lines of one block start at the same column; delete the spaces before this line."),
    (r"expected an indented block", "What belongs to the line above stands four spaces further right."),
    (r"expected ':'", "Lines with if, else, for, while, def, class, try and with end with a colon."),
    (r"invalid character '[“”„«»‘’]'|invalid character '\W'", 'Type the quotes anew: straight ones, "text".'),
    (r"invalid non-printable character", "Delete the line and type it anew: a copied character cannot be seen."),
    (r"unterminated (triple-quoted )?string|EOL while scanning", "A text ends with the quote that it starts with."),
    (r"was never closed|unmatched|does not match opening", "Each ( [ { needs its own ) ] }."),
    (r"Maybe you meant '==' or ':='|cannot assign to .* here", "Compare with ==; a single = assigns."),
    (r"cannot assign to", "On the left of = stands a name, values[key] or value.name."),
    (r"Missing parentheses in call to 'print'", "Write print(value)."),
    (r"invalid decimal literal", "Names do not start with a digit; numbers have no letters in them."),
    (r"leading zeros in decimal integer", 'Write phone numbers as text: "0123".'),
    (r"Exceeds the limit", "Write the number as text."),
    (r"'return' outside function|'yield' outside function", "Put it into def …(request):, four spaces further right."),
    (r"'break' outside loop|'continue' not properly in loop", "It belongs into a for or while loop."),
    (r"forgot a comma", "Put a comma between the values."),
    (r"null bytes", "Save the file as plain text, UTF-8."),
)


def compile_source(source: str, file: str) -> Module:
    """
    Return the hook or lib file with text *source*, checked and compiled.

    Args:
        file: Its path relative to the hooks directory, for messages and tracebacks.

    Raises:
        LoadError: All that is wrong with it, sorted by line. Nothing else is raised, whatever the text.
    """
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        try:
            return _compiled(source, file, noted)
        except SyntaxError as error:
            problem = _syntax_problem(error, file)
        except ValueError as error:  # NUL bytes, lone surrogates
            problem = Problem(file, 0, f"this is no text that Python reads: {error}.", "Save the file as UTF-8.")
        except _TOO_MUCH:
            problem = Problem(file, 0, "this is nested or chained too deeply.", _TOO_MUCH_REMEDY)
    raise LoadError([problem])


def _compiled(source: str, file: str, noted: list[warnings.WarningMessage]) -> Module:
    tree = ast.parse(source, file)
    known = survey(tree, file, BUILTIN_NAMES)
    transformer = Transformer(file, known.bound, known.modules)
    transformer.visit(tree)
    if transformer.problems:
        raise LoadError(_all_problems(transformer, source, file))
    code = _compile(tree, file)
    faults = bytecode.faults(code)
    if faults:
        raise LoadError(
            [Problem(file, 0, f"this cannot be compiled safely: {'; '.join(faults)}.", "Write it otherwise.")]
        )
    return _module(source, file, code, known, transformer, noted)


def _module(
    source: str,
    file: str,
    code: CodeType,
    known: Survey,
    transformer: Transformer,
    noted: list[warnings.WarningMessage],
) -> Module:
    libs = dict.fromkeys(name for name, _, _ in transformer.lib_names)
    return Module(
        file=file,
        code=code,
        functions=known.functions,
        lib_imports=tuple(libs),
        lib_names=tuple(transformer.lib_names),
        names=known.names,
        templates=known.templates,
        warnings=tuple(_all_warnings([*known.warnings, *_compiler_warnings(noted, file)])),
        source=source,
    )


def _compile(tree: ast.Module, file: str) -> CodeType:
    # Without hookd's own __future__ flags, and with asserts whatever -O says.
    return compile(tree, file, "exec", dont_inherit=True, optimize=0)


def _all_problems(transformer: Transformer, source: str, file: str) -> list[Problem]:
    """The transformer's problems, and the one that only Python's own compiler would find."""
    found = transformer.problems
    if transformer.is_exponential:
        return found
    try:
        _compile(ast.parse(source, file), file)
    except SyntaxError as error:
        found.append(_syntax_problem(error, file))
    except (ValueError, *_TOO_MUCH):
        pass
    return sorted(found, key=lambda problem: problem.line)


def _all_warnings(found: list[Problem]) -> list[Problem]:
    return sorted(found, key=lambda problem: problem.line)[:_WARNINGS_MAX]


def _syntax_problem(error: SyntaxError, file: str) -> Problem:
    message = error.msg.rstrip(".?")
    hint = next((hint for pattern, hint in _SYNTAX_HINTS if re.search(pattern, message)), "")
    return Problem(file, error.lineno or 0, f"this is no Python: {message}.", hint or _syntax_guess(error))


def _syntax_guess(error: SyntaxError) -> str:
    line = (error.text or "").strip()
    if re.search("[“”„«»‘’]", line):
        return 'Type the quotes anew: straight ones, "text".'
    if re.match(r"(if|elif|else|for|while|def|class|try|except|finally|with)\b", line) and not line.endswith(":"):
        return "This line ends with a colon."
    return "Look at this line and at the one above it."


def _compiler_warnings(noted: list[warnings.WarningMessage], file: str) -> list[Problem]:
    """What Python itself finds odd, such as `is` with a literal; not invalid escapes, which work."""
    return [
        Problem(file, note.lineno, f"Python warns: {note.message}.", "Look at this line again.")
        for note in noted
        if note.category is SyntaxWarning and "invalid escape" not in str(note.message)
    ]
