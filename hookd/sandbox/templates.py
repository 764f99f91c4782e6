"""
Pages: what a placement hook returns, made into HTML by the site's own Jinja templates, in the worker.

A template is code of the integrator's, like the hook: it is compiled and executed where the hook is, under its deadline
and in its jail. Jinja's own sandbox is a guard rail for it, as RestrictedPython is for the hook; the boundary is the
process. What a template shows is data from strangers (names in a CRM, what a caller typed), so it is escaped always:
there is no way to write a value out as it is, and a value is never read as a template.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import TracebackType
from typing import Any

from jinja2 import (
    FunctionLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    nodes,
)
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.meta import find_referenced_templates
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from hookd.errors import Problem
from hookd.sandbox.signatures import FORM_FIELD

FOLDER = "templates"  # below the hooks directory
PAGE_BYTES = 1_048_576  # of a page, as UTF-8
TITLE_CHARACTERS = 200
KEYS = ("template", "context", "title")
# Names that every template has, beside those of its context.
NAMES: Mapping[str, str] = {
    "nonce": "for <script nonce> and <style nonce>: others are not executed",
    "form_token": "what a form needs inside: <form method='post'>{{ form_token }}",
    "placement": "what the hook got",
}

_EXAMPLE = 'Return {"template": "NAME.html", "context": {…}}, or nothing where there is nothing to show.'
# lipsum carries its module's globals, the best known way out of a template; the others have no use in a page that is
# made at once.
_REMOVED_GLOBALS = ("lipsum", "cycler", "joiner")
_REMOVED_FILTERS = ("safe", "pprint", "random")  # unescaped; internals; another page each time
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.html")
_SHOWN = 60


class PageError(Exception):
    """
    What a hook returned is no page.

    Attributes:
        path: JSON Pointer to it.
    """

    def __init__(self, path: str, message: str, remedy: str = _EXAMPLE) -> None:
        super().__init__(message)
        self.path = path
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Frame:
    """
    What a page is shown in.

    Attributes:
        nonce: Of its scripts and styles.
        token: What stands for it in forms.
    """

    nonce: str
    token: str


NO_FRAME = Frame("", "")  # of pages that nobody is shown: commands, tests of hooks


class Templates:
    """
    The templates that one hook uses, compiled at their first use.

    Args:
        sources: Name → text.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        self._environment = _environment(sources)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self._sources)

    def page(self, result: Any, placement: Mapping[str, Any], frame: Frame) -> dict[str, Any]:
        """
        Return the page that *result*, plain data, asks for: as it is, and with `html`.

        Raises:
            PageError: It asks for none.
            Exception: The template fails; `explain` tells where.
        """
        asked = self._checked(result)
        names = {
            **asked["context"],
            "nonce": frame.nonce,
            "form_token": Markup('<input type="hidden" name="{}" value="{}">').format(FORM_FIELD, frame.token),
            "placement": placement,
        }
        return {**asked, "html": _bounded(self._environment.get_template(asked["template"]), names)}

    def explain(self, error: Exception) -> Problem:
        """
        Return what *error*, raised while a page was made, means: file and line of the template.
        """
        return _explained(error, self._sources)

    def _checked(self, result: Any) -> dict[str, Any]:
        if type(result) is not dict:
            raise PageError("", f"a page is a dict, not {type(result).__name__}.")
        for key in result:
            if key not in KEYS:
                near = get_close_matches(key[:_SHOWN], KEYS, n=1)
                question = f"; did you mean {near[0]}?" if near else "."
                raise PageError(f"/{key[:_SHOWN]}", f"a page has no such key{question}", f"Keys: {', '.join(KEYS)}.")
        asked = {"template": result.get("template"), "context": result.get("context", {}), "title": ""}
        asked["title"] = result.get("title", "")
        if type(asked["template"]) is not str:
            raise PageError("/template", "the name of a template, a text, is expected.")
        if asked["template"] not in self._sources:
            raise PageError("/template", *_no_template(asked["template"], self._sources))
        if type(asked["context"]) is not dict:
            raise PageError("/context", "a dict, name → value, is expected.")
        for name in asked["context"]:
            if name in NAMES or not name.isidentifier():
                raise PageError(f"/context/{name[:_SHOWN]}", "cannot be a name in a template.", _names_remedy())
        if type(asked["title"]) is not str or len(asked["title"]) > TITLE_CHARACTERS:
            raise PageError("/title", f"a text of {TITLE_CHARACTERS} characters at most is expected.")
        return asked


def used(texts: Iterable[str], sources: Mapping[str, str]) -> dict[str, str]:
    """
    Return those of the *sources* of templates that a hook uses: which one of its *texts* names, and those which these
    name in turn. One that cannot be read is among them.
    """
    todo = [text for text in texts if text in sources]
    found: dict[str, str] = {}
    environment = _environment({})
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found[name] = sources[name]
        try:
            named = find_referenced_templates(environment.parse(found[name]))
            todo += [other for other in named if other is not None and other in sources]
        except TemplateError:
            continue  # told by `problems`
    return {name: found[name] for name in sorted(found)}


def problems(sources: Mapping[str, str], there: Iterable[str]) -> list[Problem]:
    """
    Return what is wrong with the templates *sources*; *there* are the names of all that the site has.
    """
    known = set(there)
    return [problem for name, source in sources.items() for problem in _problems(name, source, known)]


def missing(named: Iterable[tuple[str, int]], there: Iterable[str], file: str) -> list[Problem]:
    """
    Return a problem for each template that is *named*, with its line in *file*, and that is not *there*.
    """
    known = sorted(there)
    return [Problem(file, line, *_no_template(name, known)) for name, line in named if name not in known]


def _environment(sources: Mapping[str, str]) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        # The name stands for the file, too: tracebacks have it.
        loader=FunctionLoader(lambda name: (sources[name], name, lambda: True) if name in sources else None),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in _REMOVED_GLOBALS:
        del environment.globals[name]
    for name in _REMOVED_FILTERS:
        del environment.filters[name]
    return environment


def _bounded(template: Template, names: Mapping[str, Any]) -> str:
    """The page, no longer than it may be: one that never ends is stopped here, before its memory is."""
    parts, size = [], 0
    for part in template.generate(**names):
        size += len(part.encode("utf-8", "surrogatepass"))
        if size > PAGE_BYTES:
            limit = f"the page is longer than {PAGE_BYTES // 1024**2} MB."
            raise PageError("/template", f"{template.name}: {limit}", "Show less.")
        parts.append(part)
    return "".join(parts)


def _problems(name: str, source: str, known: set[str]) -> Iterable[Problem]:
    file, environment = _file(name), _environment({})
    if not _NAME.fullmatch(name):
        yield Problem(file, 0, "is no name of a template.", "Write it in letters, digits, -, _ and dots, .html last.")
    try:
        tree = environment.parse(source, name)
        environment.compile(tree, name)
    except TemplateSyntaxError as error:
        yield Problem(file, error.lineno, _sentence(error.message or "is no template"))
        return
    except RecursionError:
        yield Problem(file, 0, "is nested too deeply.", "Make parts of it templates of their own: {% include … %}.")
        return
    for unescaped in tree.find_all((nodes.ScopedEvalContextModifier, nodes.EvalContextModifier)):
        yield Problem(
            file, unescaped.lineno, "autoescape cannot be changed here.", "What people wrote must not become HTML."
        )
    for reference in tree.find_all((nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)):
        yield from _reference_problems(file, reference, known)


def _reference_problems(file: str, reference: Any, known: set[str]) -> Iterable[Problem]:
    wanted = reference.template
    if not isinstance(wanted, nodes.Const) or not isinstance(wanted.value, str):
        yield Problem(
            file,
            reference.lineno,
            "the name of another template stands here as a text.",
            'Choose with if: {% if … %}{% include "a.html" %}{% endif %}.',
        )
    elif wanted.value not in known:
        yield Problem(file, reference.lineno, *_no_template(wanted.value, known))


def _no_template(name: str, there: Iterable[str]) -> tuple[str, str]:
    known = sorted(there)
    near = get_close_matches(name[:_SHOWN], known, n=1)
    question = f"; did you mean {near[0]}?" if near else "."
    listed = ", ".join(known[:20]) or "none"
    return (
        f"there is no template {name[:_SHOWN]!r}{question}",
        f"It is a file hooks/{FOLDER}/NAME.html, named literally in the hook. Templates: {listed}.",
    )


def _names_remedy() -> str:
    return f"Names are letters, digits and _; taken are: {', '.join(NAMES)}."


def _explained(error: Exception, sources: Mapping[str, str]) -> Problem:
    if isinstance(error, TemplateSyntaxError):
        return Problem(_file(error.name), error.lineno, _sentence(error.message or "is no template"))
    name, line = _place(error.__traceback__, sources)
    if isinstance(error, TemplateNotFound):
        return Problem(_file(name), line, *_no_template(str(error.name), sources))
    message = _sentence(f"{error}" if isinstance(error, UndefinedError) else f"{type(error).__name__}: {error}")
    remedy = ""
    if isinstance(error, UndefinedError):
        remedy = 'Put it into the context, or write {{ name|default("") }} where it may be missing.'
    elif isinstance(error, SecurityError):
        remedy = "Templates show values; work on them in the hook."
    return Problem(_file(name), line, message[:500], remedy)


def _place(traceback: TracebackType | None, sources: Mapping[str, str]) -> tuple[str, int]:
    """The innermost place in a template; Jinja writes its own lines and names into the traceback."""
    found = "", 0
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if name in sources:
            found = name, traceback.tb_lineno
        traceback = traceback.tb_next
    return found


def _file(name: str | None) -> str:
    return f"{FOLDER}/{name}" if name else FOLDER


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…", ")")) else f"{text}."
