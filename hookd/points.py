"""
The connector's 14 points, as data: names, keys, deadlines, and what keeps a call as it is.

Everything that differs from point to point stands in the one table below; the rest of hookd walks it. The types and
enumerations of the documents are in `schemas/`, one file for each point and side. Source: the connector vendor's page
on useful customizations, completed from its pages on click-to-call and on earlier versions.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

DEFAULT_TIMEOUT_S = 1.0
RECORD_TIMEOUT_S = 10.0  # the connector's own limit for a recording; nothing changes it

CALL_STAGES = ("conversation_requested", "conversation_accepted", "conversation_ended", "call_ended")
REGISTRATION_STAGES = ("conversation_requested", "call_ended")


class Shape(StrEnum):
    """What a key of a request is made into before a hook sees it."""

    ANY = "any"  # passed on as received
    OBJECT = "object"  # PHP's empty array becomes {}
    NUMBER = "number"  # a phone number, an extension, a line: int becomes str
    IDENTIFIER = "identifier"  # CALL_ID and STATUS_CODE: int becomes str
    FLAG = "flag"  # true, "1", 1 become 1


class Unchanged(StrEnum):
    """What keeps the call as it is."""

    ECHO = "echo"  # the point's reply keys, copied from the raw request
    CONSTANT = "constant"  # `Point.constant`
    NOTHING = "nothing"  # no data at all: only the state is read


@dataclass(frozen=True, slots=True)
class Point:
    """
    One place where the connector asks.

    Attributes:
        name: Route, schema prefix, hook file and function name.
        summary: One sentence for the README, `hookd points` and `hookd new`.
        keys: The request's documented keys beside `call_full` and `call_stage`, in the vendor's order, and their shape.
        required: The keys without which no valid reply can be built.
        echo: The keys of the reply; the unchanged reply copies them from the raw request.
        unchanged: How the unchanged reply is made.
        constant: The unchanged reply's data where `unchanged` is CONSTANT.
        is_open: Whether the reply may have any other key (fields of a CRM object).
        cancels: Whether the connector reads empty data as «do not send this CRM request».
        stages: The call stages at which the connector asks; empty where the request carries none.
        has_call: Whether `call_full` comes along.
        timeout_s: Wall-clock seconds from the request's headers until the worker is killed.
        is_fixed: Whether nothing may change `timeout_s`.
        aliases: Old method names of the same point.
        absent: What an echoed key becomes in the unchanged reply when the request lacks it; None leaves it out.
        notes: What an integrator has to know, for `hookd new` and the docs.
        kept: What the call gets when the hook fails, in a sentence of the error.
        kind: What its hook is: a point's, or one of `KINDS`.
    """

    name: str
    summary: str
    keys: Mapping[str, Shape]
    required: tuple[str, ...] = ()
    echo: tuple[str, ...] = ()
    unchanged: Unchanged = Unchanged.ECHO
    constant: Mapping[str, object] = field(default_factory=dict)
    is_open: bool = False
    cancels: bool = False
    stages: tuple[str, ...] = ()
    has_call: bool = True
    timeout_s: float = DEFAULT_TIMEOUT_S
    is_fixed: bool = False
    aliases: tuple[str, ...] = ()
    absent: str | None = None
    notes: tuple[str, ...] = ()
    kept: str = "The connector got its own values back."
    kind: str = "point"

    @property
    def is_job(self) -> bool:
        """Whether it is work that a hook promised."""
        return self.kind == "job"

    @property
    def is_event(self) -> bool:
        """Whether it is what a portal told."""
        return self.kind == "event"

    @property
    def is_placement(self) -> bool:
        """Whether it is a page in a portal."""
        return self.kind == "placement"

    @property
    def is_durable(self) -> bool:
        """Whether it is none of the connector's, but work that waits in the inbox, and that nobody reads a reply of."""
        return self.is_job or self.is_event

    @property
    def entry(self) -> str:
        """The name of the hook's function: call_back for jobs/call_back."""
        return self.name.rpartition("/")[2]

    @property
    def table(self) -> str:
        """The table of its settings: points.process_client_phone, jobs.call_back, placements.call_card."""
        return f"points.{self.name}" if self.kind == "point" else table_of(self.name)


# The directories of hooks that answer no point, and the beginning of their names.
JOBS, EVENTS, PLACEMENTS = "jobs", "events", "placements"
# Directory → what a hook there is for.
KINDS: Mapping[str, str] = MappingProxyType({JOBS: "job", EVENTS: "event", PLACEMENTS: "placement"})
JOB_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")  # of a file there, and of its function
PLACEMENT_NAME = EVENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,104}")  # a code has 100 characters at most
NAMES: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {JOBS: JOB_NAME, EVENTS: EVENT_NAME, PLACEMENTS: PLACEMENT_NAME}
)

RECORD_POINT = "process_record_file_path"
RECORD_KEYS = (
    "path",
    "record_file_path",
    "file_path",
    "record",
    "file",
)  # the path's key differs between versions
CALLER_NAME_MAX = 20  # characters; Asterisk cuts a longer caller id name

_CRM_FIELDS_NOTE = "Any field of the CRM object may be set; the CRM ignores names that it does not know."
_REPEAT_NOTE = "Asked up to four times a conversation: answer the same each time."

_TABLE = (
    Point(
        "customize_activity",
        "Update the fields of the CRM activity when a call has ended.",
        keys={"activity": Shape.OBJECT},
        required=("activity",),
        unchanged=Unchanged.CONSTANT,
        is_open=True,
        cancels=True,
        aliases=("get_updated_activity_fields",),
        notes=(_CRM_FIELDS_NOTE, "Nothing to change is the same as CANCEL: the activity is not written."),
        kept="The activity was not written.",
    ),
    Point(
        "customize_entity",
        "Update the fields of the call's lead or contact when a call has ended.",
        keys={},
        unchanged=Unchanged.CONSTANT,
        is_open=True,
        cancels=True,
        aliases=("get_updated_entity_fields", "get_updated_lead_fields"),
        notes=(
            _CRM_FIELDS_NOTE,
            "Nothing to change is the same as CANCEL: the entity is not written.",
            "PHONE and EMAIL items without an ID are appended anew after every call.",
        ),
        kept="The entity was not written.",
    ),
    Point(
        "need_registration",
        "Decide whether the CRM learns of this conversation: black and white lists.",
        keys={},
        echo=("result",),
        unchanged=Unchanged.CONSTANT,
        constant={"result": True},
        stages=CALL_STAGES,
        notes=(_REPEAT_NOTE,),
        kept="The conversation is registered.",
    ),
    Point(
        "process_client_phone",
        "Change the client's number before the CRM is asked about it.",
        keys={"phone": Shape.NUMBER},
        required=("phone",),
        echo=("phone",),
        stages=CALL_STAGES,
        notes=(_REPEAT_NOTE,),
        kept="The number went out unchanged.",
    ),
    Point(
        "process_final_params",
        "Change the data with which the CRM closes a finished call.",
        keys={
            "ADD_TO_CHAT": Shape.FLAG,
            "CALL_ID": Shape.IDENTIFIER,
            "DURATION": Shape.ANY,
            "STATUS_CODE": Shape.IDENTIFIER,
            "USER_ID": Shape.ANY,
        },
        required=("CALL_ID",),
        echo=("ADD_TO_CHAT", "CALL_ID", "DURATION", "STATUS_CODE", "USER_ID"),
        cancels=True,
        notes=(
            "STATUS_CODE is a string and may be 603-S.",
            "USER_ID also becomes responsible for what the call created.",
        ),
    ),
    Point(
        "process_originate_params",
        "Change how a click-to-call is dialled: prefix, context, caller id.",
        keys={
            "caller_id": Shape.NUMBER,
            "channel": Shape.ANY,
            "context": Shape.ANY,
            "extension": Shape.NUMBER,
            "priority": Shape.ANY,
            "request_data": Shape.ANY,
        },
        echo=("caller_id", "channel", "context", "extension", "priority", "request_data"),
        notes=(
            'Arrives wrapped in {"params": …}; the reply is never wrapped.',
            "The values go into a line protocol: no CR, LF or NUL.",
            "channel is the employee's leg, extension the number to dial: neither may become empty.",
        ),
    ),
    Point(
        RECORD_POINT,
        "Change or convert the recording before it is uploaded.",
        keys={
            "path": Shape.ANY,
            "call_id": Shape.IDENTIFIER,
            "from": Shape.NUMBER,
            "to": Shape.NUMBER,
        },
        required=("path",),
        echo=("path",),
        timeout_s=RECORD_TIMEOUT_S,
        is_fixed=True,
        notes=("10 s, whatever settings and headers say; past it the original file is used.",),
        kept="The original recording is used.",
    ),
    Point(
        "process_registration_params",
        "Change the parameters with which the CRM registers a call that starts.",
        keys={
            "CALL_START_DATE": Shape.ANY,
            "CRM_CREATE": Shape.FLAG,
            "CRM_SOURCE": Shape.ANY,
            "LINE_NUMBER": Shape.NUMBER,
            "PHONE_NUMBER": Shape.NUMBER,
            "SHOW": Shape.FLAG,
            "TYPE": Shape.ANY,
            "USER_ID": Shape.ANY,
        },
        required=("PHONE_NUMBER", "TYPE"),
        echo=(
            "CALL_START_DATE",
            "CRM_CREATE",
            "CRM_SOURCE",
            "LINE_NUMBER",
            "PHONE_NUMBER",
            "SHOW",
            "TYPE",
            "USER_ID",
        ),
        cancels=True,
        stages=REGISTRATION_STAGES,
        notes=("SHOW is always 0 here: the call card has a point of its own, customize_show_call_card.",),
    ),
    Point(
        "process_task_creation_params",
        "Change the task that a missed or unanswered call creates.",
        keys={"fields": Shape.OBJECT},
        required=("fields",),
        echo=("fields",),
        cancels=True,
        notes=("fields is changed one level deeper: name only the task fields that you change.",),
    ),
    Point(
        "process_user_phone",
        "Change the employee's number before the CRM user is looked up.",
        keys={"phone": Shape.NUMBER},
        required=("phone",),
        echo=("phone",),
        stages=CALL_STAGES,
        notes=(_REPEAT_NOTE,),
        kept="The number went out unchanged.",
    ),
    Point(
        "customize_autodistribution",
        "Change whom an incoming call rings, while the caller waits.",
        keys={
            "number": Shape.NUMBER,
            "name": Shape.ANY,
            "from": Shape.NUMBER,
            "user": Shape.OBJECT,
            "entity": Shape.OBJECT,
            "error": Shape.ANY,
        },
        echo=("number", "name"),
        has_call=False,
        absent="",
        notes=(
            "An empty number means the normal route of the dial plan.",
            "name becomes the caller id on the phone: 20 characters, a longer one is cut.",
        ),
        kept="The call goes where the connector chose.",
    ),
    Point(
        "post_registration",
        "Act after a call was registered: notify, write elsewhere.",
        keys={},
        unchanged=Unchanged.NOTHING,
        stages=REGISTRATION_STAGES,
        notes=("What the hook returns is ignored.", "Anything slow belongs into a job."),
        kept="The call goes on.",
    ),
    Point(
        "customize_show_call_card",
        "Change for whom the call card opens, and whether it opens.",
        keys={"CALL_ID": Shape.IDENTIFIER, "USER_ID": Shape.ANY},
        required=("CALL_ID", "USER_ID"),
        echo=("CALL_ID", "USER_ID"),
        cancels=True,
        stages=CALL_STAGES,
        notes=("USER_ID may be a list of users.",),
    ),
    Point(
        "customize_attach_record_url",
        "Change how the link to the recording is written into the activity.",
        keys={"DESCRIPTION": Shape.ANY, "DESCRIPTION_TYPE": Shape.ANY, "activity": Shape.OBJECT},
        required=("DESCRIPTION", "activity"),
        echo=("DESCRIPTION", "DESCRIPTION_TYPE"),
        is_open=True,
        cancels=True,
        notes=("Asked only where the connector attaches a link instead of the file.", _CRM_FIELDS_NOTE),
    ),
)

POINTS: Mapping[str, Point] = MappingProxyType({point.name: point for point in _TABLE})
ALIASES: Mapping[str, str] = MappingProxyType({old: point.name for point in _TABLE for old in point.aliases})

# What the hook reads of the call at every point that has one; never a reason to refuse a request.
CALL_KEYS = ("call_full", "call_stage")
# The call as connectors before 3.13 sent it; passed on to the hook, never part of a reply.
LEGACY_KEYS = ("call", "conversation")


def _work(folder: str, summary: str, *, timeout_s: float, kept: str) -> Point:
    return Point(
        folder,
        summary,
        keys={},
        unchanged=Unchanged.NOTHING,
        has_call=False,
        timeout_s=timeout_s,
        kept=kept,
        kind=KINDS[folder],
    )


# What work that is no point of a call is to whoever runs hooks: a point that asks with the work itself.
_WORK: Mapping[str, Point] = MappingProxyType(
    {
        point.name: point
        for point in (
            _work(JOBS, "Do what was put off with jobs.enqueue.", timeout_s=60.0, kept="The job is tried again later."),
            _work(
                EVENTS,
                "Do something about what happened in the portal.",
                timeout_s=30.0,
                kept="The event is tried again later.",
            ),
            _work(
                PLACEMENTS,
                "Show a page in the portal.",
                timeout_s=5.0,  # an employee waits for the page
                kept="The employee was shown that the page failed.",
            ),
        )
    }
)


def work_point(folder: str, name: str) -> Point:
    """
    Return what the hook *name* in *folder*, JOBS, EVENTS or PLACEMENTS, answers.
    """
    return replace(_WORK[folder], name=f"{folder}/{name}")


def point_of(hook: str) -> Point | None:
    """
    Return the point that the hook of this name answers, be it a job, an event or a placement; None where no hook can be
    called so.
    """
    folder, _, name = hook.rpartition("/")
    if folder not in NAMES:
        return POINTS.get(hook)
    if not NAMES[folder].fullmatch(name):
        return None
    return work_point(folder, name)


def kind_of(hook: str) -> str:
    """
    Return what the hook of this name is for: "point", "job", …
    """
    return KINDS.get(hook.rpartition("/")[0], "point")


def job_names(hooks: Path) -> list[str]:
    """
    Return the names of the jobs in a site's hooks directory.
    """
    return names_in(hooks, JOBS)


def has_durable(hooks: Path) -> bool:
    """
    Return whether there is a hook in a site's hooks directory whose work waits in the inbox: a job's or an event's.
    """
    return any(names_in(hooks, folder) for folder in (JOBS, EVENTS))


def names_in(hooks: Path, folder: str) -> list[str]:
    """
    Return the names of the hooks in one *folder* of a site's hooks directory, such as jobs or placements.
    """
    try:
        files = os.listdir(hooks / folder)
    except OSError:
        return []
    is_name = NAMES[folder].fullmatch
    return sorted(name for name, suffix in map(os.path.splitext, files) if suffix == ".py" and is_name(name))


def table_of(hook: str) -> str:
    """
    Return the table of settings.toml that the hook of this name has: jobs.call_back for jobs/call_back.
    """
    return hook.replace("/", ".")
