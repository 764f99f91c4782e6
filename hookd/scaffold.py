"""
What `hookd init` and `hookd new` write: a site to start from, and a hook to start from.

Nothing is ever overwritten. The texts are made from the tables (settings, points, schemas, samples), so that they say
what is true of this version.
"""

import json
import os
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from hookd import cases, contract, samples
from hookd.cases import FOLDER
from hookd.contract import schema
from hookd.documents import Json
from hookd.errors import UsageError
from hookd.hook_settings import ALL_HOOKS
from hookd.hooks import LIB, SETTINGS_FILE, TEMPLATES
from hookd.points import (
    EVENTS,
    JOBS,
    LEGACY_KEYS,
    PLACEMENTS,
    POINTS,
    Point,
    Unchanged,
    table_of,
    work_point,
)
from hookd.portal import codes
from hookd.settings import (
    CONFIG_NAME,
    EVENT_SETTINGS,
    JOB_SETTINGS,
    PLACEMENT_SETTINGS,
    POINT_SETTINGS,
    SETTINGS,
    SITE_SETTINGS,
    Setting,
)

WIDTH = 100  # of lines in the files
DIRECTORY_MODE, SECRETS_MODE = 0o755, 0o700
EXAMPLE_POINT = "process_client_phone"
EXAMPLE_JOB = "call_back"
EXAMPLE_EVENT = "crm_lead"
EXAMPLE_PLACEMENT = "call_card"
ANSWERED_MAX = 12  # events that a new hook names

# Values to show where the default says nothing; the line says that it is one.
_EXAMPLES: Mapping[str, Json] = {
    "hours": {"mon-fri": "09:00-18:00"},
    "holidays": ["2027-01-01"],
    "tokens_file": "secrets/tokens",
    "operator_tokens_file": "secrets/operator_tokens",
    "records_out": "/var/spool/asterisk/mp3",
    "bitrix_app_id": "local.65f0a1b2c3d4e5.12345678",
    "bitrix_app_secret_file": "secrets/bitrix_app",
    "bitrix_event_tokens_file": "secrets/bitrix_event_tokens",
    "bitrix_webhook_file": "secrets/bitrix_webhook",
    "on_error": {"phone": ""},
}
_EXAMPLE = "  # an example"  # after such a value
_DESCRIPTIONS = {"call_full": "The whole call, as far as the connector knows it; `call` reads it for you."}
_CASE_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
# A secret does not belong into a file that is shown around.
_UNSHOWN = frozenset({"tokens", "operator_tokens", "bitrix_app_secret", "bitrix_event_tokens", "bitrix_webhook"})


def make_site(directory: Path) -> list[Path]:
    """
    Make a site in *directory*, which need not exist, and return the files that were written.

    Raises:
        UsageError: Something is there already, or cannot be written; then nothing was written.
    """
    hooks = directory / "hooks"
    case = hooks / FOLDER / EXAMPLE_POINT
    files = {
        directory / CONFIG_NAME: config(),
        directory / ".gitignore": "/var/\n/secrets/\n",
        hooks / SETTINGS_FILE: _SETTINGS,
        hooks / f"{EXAMPLE_POINT}.py": _HOOK,
        case / "prefix-is-cut.json": _json(_CASE),
        case / "nothing-is-set.json": _json(_CASE_UNSET),
    }
    secrets = directory / "secrets"
    _write(files, [hooks / LIB, secrets])
    secrets.chmod(SECRETS_MODE)
    return list(files)


def make_hook(hooks: Path, point: Point) -> list[Path]:
    """
    Write a hook for *point* and a case for it below the directory *hooks*, and return the files.

    Raises:
        UsageError: One of them is there already, or cannot be written; then nothing was written.
    """
    scenario = "payload" if point.is_job else cases.sample_names(point)[0].partition("@")[0]
    files = {
        hooks / f"{point.name}.py": hook(point),
        hooks / FOLDER / point.name / f"{scenario}.json": _json(case(point)),
    }
    if point.is_placement:
        files[hooks / TEMPLATES / f"{point.entry}.html"] = _TEMPLATE
    _write(files, [])
    return list(files)


def make_case(hooks: Path, point: Point, name: str, case: Json) -> Path:
    """
    Write *case* as a test of the hook for *point* below the directory *hooks*, and return the file.

    Raises:
        UsageError: The name is no name of a case, the file is there already, or it cannot be written.
    """
    if not _CASE_NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a case: letters, digits, - and _ are allowed, such as short-call")
    path = hooks / FOLDER / point.name / f"{name}.json"
    _write({path: _json(case)}, [])
    return path


def config() -> str:
    """
    Return a hookd.toml in which every setting stands as a comment.
    """
    parts = (
        *_comment(
            f"hookd's settings. A line that begins with # shows the default, or what it calls an example. {_PATHS}"
        ),
        "",
        *_settings(SETTINGS),
        "# The default site's own; other sites have these keys in sites/<name>/site.toml.",
        "[site]",
        *_settings(SITE_SETTINGS),
        "# One table a point that needs other limits; `hookd points` lists the points.",
        f"# [points.{EXAMPLE_POINT}]",
        *_settings(POINT_SETTINGS, _of_site("isolation", "record") | {"timeout_s": POINTS[EXAMPLE_POINT].timeout_s}),
        f"# One table a job that needs other limits; jobs are files in hooks/{JOBS}/.",
        f"# [{JOBS}.{EXAMPLE_JOB}]",
        *_settings(JOB_SETTINGS),
        f"# One table a hook of events that needs other limits; they are files in hooks/{EVENTS}/.",
        f"# [{EVENTS}.{EXAMPLE_EVENT}]",
        *_settings(EVENT_SETTINGS),
        f"# One table a page that needs other limits; they are made by files in hooks/{PLACEMENTS}/.",
        f"# [{PLACEMENTS}.{EXAMPLE_PLACEMENT}]",
        *_settings(
            (row for row in PLACEMENT_SETTINGS if row.name == "timeout_s"),
            {"timeout_s": work_point(PLACEMENTS, EXAMPLE_PLACEMENT).timeout_s},
        ),
    )
    return "\n".join(parts).rstrip() + "\n"


def hook(point: Point) -> str:
    """
    Return the text of a hook that changes nothing and says what may be changed.
    """
    if point.is_job:
        return _job(point)
    if point.is_event:
        return "\n".join(_event(point)) + "\n"
    if point.is_placement:
        return "\n".join(_placement(point)) + "\n"
    text = [
        f'"""\n{point.summary}\n',
        *_about(point),
        "",
        "",
        f"def {point.name}(request, call, settings):",
        *_body(point),
    ]
    return "\n".join(text) + "\n"


def case(point: Point) -> dict[str, Json]:
    """
    Return a case of the hook that `hook` returns: the call stays as it is.
    """
    if point.is_job:
        return {"payload": {}, "outcome": "ok"}
    if point.is_event:
        return {"sample": cases.sample_names(point)[0], "outcome": "ok"}
    if point.is_placement:
        expected_page = ['<form method="post">', cases.sample(point, cases.sample_names(point)[0])["code"]]
        return {"sample": cases.sample_names(point)[0], "outcome": "ok", "page": expected_page}
    name = samples.default(point)
    request = contract.read_request(point, samples.sample(point, name))
    expected: dict[str, Json] = {"sample": name, "outcome": "unchanged"}
    if point.unchanged is not Unchanged.NOTHING:
        expected["reply"] = contract.unchanged(request)
    return expected


# ---- a hook ----------------------------------------------------------------------------------------------------


def _about(point: Point) -> Iterator[str]:
    yield from _block("Asked at:", [", ".join(point.stages)] if point.stages else [])
    yield from _block("request:", _request_keys(point))
    yield from _block("Return what changes:", _reply_keys(point))
    yield from _block("Good to know:", point.notes)
    yield from _paragraph(
        f"The limit is {point.timeout_s:g} s"
        + (", whatever is set." if point.is_fixed else f", or timeout_s under [points.{point.name}] in {CONFIG_NAME}.")
    )
    yield ""
    yield from _paragraph(
        "Tools come as parameters, in any order: call (the call at a glance), phones (compare and format numbers), "
        f"clock (the site's time and working hours), settings ([{point.name}] in {SETTINGS_FILE}). "
        "print() writes to the log of the run."
    )
    yield from _last_lines(point)


def _body(point: Point) -> Iterator[str]:
    yield "    # Returning nothing keeps the call as it is."
    example = schema.load(f"{point.name}.reply")["examples"][-1] if point.unchanged is not Unchanged.NOTHING else {}
    if example:
        yield "    # Name only what you change:"
        yield from (f"    # {line}" for line in _literal(example, "", "return "))
    if point.cancels:
        yield "    # return CANCEL: the CRM request is not sent at all."
    yield "    return None"


def _literal(value: Json, indent: str, head: str = "") -> list[str]:
    """Return lines that write *value* in Python after *head*: one line where it fits, else one an item."""
    line = f"{indent}{head}{_inline(value)}"
    if len(line) <= WIDTH or not isinstance(value, dict):
        return [line]
    inner = indent + "    "
    items = [_literal(item, inner, f"{_inline(key)}: ") for key, item in value.items()]
    lines = [line for *before, last in items for line in (*before, f"{last},")]
    return [f"{indent}{head}{{", *lines, f"{indent}}}"]


def _inline(value: Json) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_inline(key)}: {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, str) and '"' not in value:
        return json.dumps(value, ensure_ascii=False)
    return repr(value)


def _request_keys(point: Point) -> Iterator[str]:
    properties = schema.load(f"{point.name}.request")["properties"]
    for key in properties:
        if key not in LEGACY_KEYS:
            is_required = " (always there)" if key in point.required else ""
            yield f"{key}{is_required}: {_DESCRIPTIONS.get(key) or properties[key].get('description', '')}"


def _reply_keys(point: Point) -> Iterator[str]:
    properties = schema.load(f"{point.name}.reply").get("properties", {})
    for key, value in properties.items():
        yield f"{key}: {value.get('description', '')}"
    if point.is_open:
        yield "Any other field of the CRM object."
    if point.unchanged is Unchanged.NOTHING:
        yield "Nothing: it is not read."


def _block(head: str, items: Iterable[str]) -> Iterator[str]:
    lines = list(items)
    if lines:
        yield head
        for line in lines:
            yield from textwrap.wrap(line, WIDTH, initial_indent="  ", subsequent_indent="    ")
        yield ""


def _paragraph(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH)


def _job(point: Point) -> str:
    entry, name = point.entry, point.name
    return f'''\
"""
Work for later: a hook of a call enqueues it with jobs.enqueue("{entry}", payload), and the call goes on.

job: id, name, attempt (1 for the first), payload, enqueued_at (seconds since 1970), key. What is
returned is not read. An error, or more than {point.timeout_s:g} s, has it tried again later, so it may run
more than once: tell the other side job["id"], or look before you write.

Tools come as parameters, as in hooks of points; settings are [{table_of(name)}] in {SETTINGS_FILE}.

Try it:   hookd run {name} --input payload.json
Test it:  hookd test {name}
"""


def {entry}(job, settings):
    payload = job["payload"]
    print("nothing to do yet:", payload)
'''


def _event(point: Point) -> Iterator[str]:
    known = codes.event_hook_names().get(point.entry, ())
    yield '"""'
    yield from _paragraph(known[0].about if len(known) == 1 else "Do something about what happened in the portal.")
    yield ""
    yield from _block("Answers, where there is no hook for one of them alone:", _answered(known) if known[1:] else [])
    yield from _block('event["fields"], all of it text:', _event_keys(known))
    yield from _block("Good to know:", dict.fromkeys(note for code in known for note in code.notes))
    yield from _paragraph(
        "event: id, attempt (1 for the first), code, handler_id, at (seconds since 1970), data, fields, user_id, "
        "portal. What is returned is not read. An error, or more than "
        f"{point.timeout_s:g} s, has it tried again later, so it may run more than once for one event."
    )
    yield ""
    yield from _tools(point, ".")
    yield from _last_lines(point)
    yield from ("", "", f"def {point.entry}(event, settings):")
    yield '    print("nothing to do yet:", event["code"], event["fields"])'


def _tools(point: Point, end: str) -> list[str]:
    where = f"[{table_of(point.name)}] in {SETTINGS_FILE}"
    return _paragraph(f"Tools come as parameters, as in hooks of points; settings are {where}{end}")


def _last_lines(point: Point) -> Iterator[str]:
    yield ""
    yield f"Try it:   hookd run {point.name}"
    yield f"Test it:  hookd test {point.name}"
    yield '"""'


def _answered(known: tuple[codes.Code, ...]) -> Iterator[str]:
    for code in known[:ANSWERED_MAX]:
        yield f"{code.code}: {code.about}"
    if len(known) > ANSWERED_MAX:
        yield f"… and {len(known) - ANSWERED_MAX} more: `hookd samples` lists them."


def _event_keys(known: tuple[codes.Code, ...]) -> Iterator[str]:
    """The keys that all of the *known* have or, where these are one family, that any of them has."""
    if len({code.family for code in known}) > 1:
        return
    for name, about in {one.name: one.about for code in known for one in code.fields}.items():
        is_everywhere = all(any(one.name == name and one.is_required for one in code.fields) for code in known)
        yield f"{name}{' (always there)' if is_everywhere else ''}: {about}"


def _placement(point: Point) -> Iterator[str]:
    rows = [row for row in codes.placements().values() if point.entry in (row.name, row.family)]
    keys = {field.name: field.about for row in rows for field in row.fields}
    yield '"""'
    yield from _paragraph(rows[0].about if len(rows) == 1 else "A page in the portal.")
    yield ""
    yield from _block("Shown in:", [f"{row.code}: {row.about}" for row in rows] if rows[1:] else [])
    yield from _block('placement["options"]:', [f"{name}: {about}" for name, about in keys.items()])
    yield from _block("Good to know:", dict.fromkeys(note for row in rows for note in row.notes))
    yield from _paragraph(
        "placement: code, options, raw, entity_type_id, uri, language (ru, en, …), portal, form (what was filled in, "
        "None where the page was opened). Return a template of templates/ and its context, or nothing where there is "
        f"nothing to show. An error, or more than {point.timeout_s:g} s, shows the employee that the page failed."
    )
    yield ""
    yield from _tools(point, ", and title there is what the button or tab says.")
    yield from _last_lines(point)
    yield from ("", "", f"def {point.entry}(placement, settings):")
    yield '    form = placement["form"] or {}'
    yield '    context = {"code": placement["code"], "options": placement["options"], "text": form.get("text", "")}'
    yield f'    return {{"template": "{point.entry}.html", "context": context}}'


_TEMPLATE = """\
<section>
<h2>{{ code }}</h2>
<ul class="rows">
{% for name, value in options.items() %}<li><span>{{ name }}</span><span>{{ value }}</span></li>
{% endfor %}
</ul>
</section>
<section>
{% if text %}<p>{{ text }}</p>{% endif %}
<form method="post">{{ form_token }}
<label for="text">Text</label><input type="text" id="text" name="text">
<button>OK</button>
</form>
</section>
"""


# ---- a site ----------------------------------------------------------------------------------------------------

_PATHS = "Paths start from this file's directory."

_SETTINGS = f"""\
# Settings of the hooks, one table a hook; [{ALL_HOOKS}] is for every hook. A change counts at once.

[{EXAMPLE_POINT}]
# outside_line = "9"
"""

_HOOK = f'''\
"""
Cut the digit that gets an outside line, so that the CRM sees the client's own number.

It does nothing until {SETTINGS_FILE} says what to cut:

    [{EXAMPLE_POINT}]
    outside_line = "9"
"""


def {EXAMPLE_POINT}(request, settings):
    outside_line = str(settings.get("outside_line", ""))
    if outside_line and request["phone"].startswith(outside_line):
        return {{"phone": request["phone"].removeprefix(outside_line)}}
'''

_CASE = {
    "sample": "incoming",
    "set": {"phone": "989001234567"},
    "settings": {"outside_line": "9"},
    "outcome": "ok",
    "reply": {"phone": "89001234567"},
}
_CASE_UNSET = {
    "sample": "incoming",
    "set": {"phone": "989001234567"},
    "settings": {},
    "outcome": "unchanged",
    "reply": {"phone": "989001234567"},
}


def _settings(rows: Iterable[Setting], elsewhere: Mapping[str, Json] = MappingProxyType({})) -> Iterator[str]:
    """A comment and a line each; *elsewhere* are defaults that rows do not have themselves."""
    for row in rows:
        if row.name not in _UNSHOWN:
            default = row.default or elsewhere.get(row.name, row.default)
            is_example = not default and row.name in _EXAMPLES
            yield from _comment(row.about)
            yield f"# {row.name} = {_toml(_EXAMPLES[row.name] if is_example else default)}" + _EXAMPLE * is_example
            yield ""


def _of_site(*names: str) -> dict[str, Json]:
    return {row.name: row.default for row in SITE_SETTINGS if row.name in names}


def _toml(value: Json) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ")


def _json(document: Json) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


# ---- files -----------------------------------------------------------------------------------------------------


def _write(files: Mapping[Path, str], directories: Iterable[Path]) -> None:
    there = [path for path in (*files, *directories) if os.path.lexists(path)]
    if there:
        raise UsageError("\n".join(f"{path}: is there already; nothing was written" for path in there))
    try:
        for directory in (*directories, *(path.parent for path in files)):
            directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        for path, text in files.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise UsageError(f"{error.filename}: cannot be written: {error.strerror}") from error
