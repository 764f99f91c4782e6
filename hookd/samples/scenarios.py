"""
The calls that samples are taken from: who rings, who answers, when it ends.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from hookd.documents import Json
from hookd.points import CALL_STAGES

Document = dict[str, Json]

CLIENT_NUMBER = "+79001234567"
TRUNK = "73432723033"

DAY = "2025-03-12"  # a Wednesday and no holiday: within anybody's working hours
ZONE = "+03:00"  # the CRM's times carry it, the connector's do not
UNSET_TIME = "0001-01-01 00:00:00"  # what the connector writes for «not yet»

STAGE_WORDS = {
    "conversation_requested": "an extension starts ringing",
    "conversation_accepted": "the conversation is answered",
    "conversation_ended": "the conversation is over",
    "call_ended": "the call is over",
}


class Form(StrEnum):
    """How much of a call the connector sends."""

    FULL = "full"  # with call_full, connectors since 3.10
    LEGACY = "legacy"  # with call and conversation instead
    MINIMAL = "minimal"  # nothing but the required keys


@dataclass(frozen=True, slots=True)
class User:
    """An employee; `extension` is "" for somebody without a phone."""

    id: int
    name: str
    extension: str
    email: str
    position: str


IVANOVA = User(5, "Мария Иванова", "101", "ivanova@example.com", "Менеджер")
SIDOROV = User(8, "Павел Сидоров", "102", "sidorov@example.com", "Менеджер")
KUZNETSOVA = User(12, "Анна Кузнецова", "103", "kuznetsova@example.com", "Старший менеджер")
DEFAULT_USER = User(1, "Ольга Смирнова", "", "smirnova@example.com", "Руководитель отдела")  # if nobody rang
USERS: Mapping[str, User] = MappingProxyType({user.extension: user for user in (IVANOVA, SIDOROV, KUZNETSOVA)})


@dataclass(frozen=True, slots=True)
class Client:
    """
    The CRM object behind the client's number.

    Attributes:
        type: "contact" or "lead".
        name: "" for one that the CRM names after the number.
        prefix: Of the object's id in the links of tasks.
        owner_type: The CRM's number for the type.
        raw: CRM fields beside ID and ASSIGNED_BY_ID.
        is_new: Whether the call's registration creates it.
    """

    type: str
    id: int
    name: str
    prefix: str
    owner_type: str
    raw: Mapping[str, str]
    is_new: bool = False


CONTACT = Client("contact", 42, "Алексей Петров", "C", "3", {"NAME": "Алексей", "LAST_NAME": "Петров"})
LEAD = Client("lead", 1207, "", "L", "1", {"STATUS_ID": "NEW", "SOURCE_ID": "CALL"}, is_new=True)


@dataclass(frozen=True, slots=True)
class Span:
    """When a line rings, is answered and ends, in seconds from the start of the call; never answered is None."""

    starts_s: int
    ends_s: int
    answers_s: int | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """One extension that rings, or from which the call is made."""

    user: User
    span: Span


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    One call.

    Attributes:
        name: As in `--sample`.
        summary: One sentence for `hookd samples`.
        starts: Time of day.
        serial: Number of the call's main channel; those of its conversations follow.
        ends_s: Seconds from start to end.
        conversations: In the order in which they ring; none for a caller who hangs up in the voice menu.
        told: Index of the conversation that the stages tell of.
        status: STATUS_CODE at the end.
        cause: Hang-up cause (Q.850) of a line that nobody answered.
        dial_status: Asterisk's DIALSTATUS of such a line.
        number: The client's, as the PBX has it.
        customized: The same as the connector took it from process_client_phone; "" while that is `number`.
        responsible: For the client; None is whom the call reached first.
    """

    name: str
    summary: str
    starts: str
    serial: int
    ends_s: int
    conversations: tuple[Conversation, ...]
    told: int = 0
    client: Client = CONTACT
    status: str = "200"
    cause: int = 16  # normal clearing: the caller hung up
    dial_status: str = "CANCEL"
    is_incoming: bool = True
    is_click_to_call: bool = False
    form: Form = Form.FULL
    number: str = CLIENT_NUMBER
    customized: str = ""
    trunk: str = TRUNK
    day: str = DAY
    responsible: User | None = None

    @property
    def starts_at(self) -> datetime:
        return datetime.fromisoformat(f"{self.day}T{self.starts}{ZONE}")

    @property
    def crm_number(self) -> str:
        """The client's number as the CRM is told it."""
        return self.customized or self.number

    @property
    def client_name(self) -> str:
        return self.client.name or f"Звонок {self.crm_number}"

    @property
    def linkedid(self) -> str:
        return f"{int(self.starts_at.timestamp())}.{self.serial}"

    @property
    def call_id(self) -> str:
        """The CRM's id of the call, in the CRM's form."""
        digest = hashlib.md5(self.linkedid.encode(), usedforsecurity=False).hexdigest()
        return f"externalCall.{digest}.{int(self.starts_at.timestamp())}"

    @property
    def talks(self) -> list[tuple[int, int]]:
        """When each conversation that was answered was so, and its end."""
        spans = (conversation.span for conversation in self.conversations)
        return [(span.answers_s, span.ends_s) for span in spans if span.answers_s is not None]

    @property
    def span(self) -> Span:
        return Span(0, self.ends_s, min((answers_s for answers_s, _ in self.talks), default=None))

    @property
    def is_answered(self) -> bool:
        return bool(self.talks)

    @property
    def duration_s(self) -> int:
        """Seconds from the first answer to the end of the last talk; 0 if nobody answered."""
        starts, ends = zip(*self.talks, strict=True) if self.talks else ((0,), (0,))
        return int(max(ends) - min(starts))

    @property
    def owner(self) -> User:
        """Who is responsible for the client."""
        if self.responsible:
            return self.responsible
        return self.conversations[0].user if self.conversations else DEFAULT_USER

    @property
    def asks_first_s(self) -> int:
        """When the connector asks about the call for the first time."""
        return self.conversations[0].span.starts_s if self.conversations else self.ends_s

    @property
    def stages(self) -> tuple[str, ...]:
        if self.form is Form.MINIMAL:
            return ()
        if not self.conversations:
            return ("call_ended",)
        skipped = "" if self.is_answered else "conversation_accepted"
        return tuple(stage for stage in CALL_STAGES if stage != skipped)

    def second(self, second_s: int) -> datetime:
        return self.starts_at + timedelta(seconds=second_s)


_INCOMING = Scenario(
    "incoming",
    "A known contact calls; extension 101 answers.",
    starts="10:15:00",
    serial=31,
    ends_s=195,
    conversations=(Conversation(IVANOVA, Span(2, 194, 14)),),
)
_OUTGOING = Scenario(
    "outgoing",
    "Extension 101 calls a known contact, who answers.",
    starts="11:02:10",
    serial=47,
    ends_s=97,
    conversations=(Conversation(IVANOVA, Span(1, 96, 18)),),
    is_incoming=False,
)

TABLE = (
    _INCOMING,
    _OUTGOING,
    Scenario(
        "incoming-missed",
        "An unknown number calls; extension 101 rings, nobody answers, the caller hangs up.",
        starts="11:40:25",
        serial=58,
        ends_s=33,
        conversations=(Conversation(IVANOVA, Span(3, 32)),),
        client=LEAD,
        status="304",
    ),
    Scenario(
        "outgoing-unanswered",
        "Extension 101 calls a known contact, who does not answer.",
        starts="12:05:40",
        serial=63,
        ends_s=46,
        conversations=(Conversation(IVANOVA, Span(1, 45)),),
        status="480",
        cause=19,  # no answer from user; RFC 3398 makes it SIP 480
        dial_status="NOANSWER",
        is_incoming=False,
    ),
    Scenario(
        "transferred",
        "A known contact calls; extension 101 answers and transfers to 102; the stages tell of 102.",
        starts="13:20:05",
        serial=71,
        ends_s=241,
        conversations=(Conversation(IVANOVA, Span(2, 62, 12)), Conversation(SIDOROV, Span(63, 240, 70))),
        told=1,
    ),
    Scenario(
        "ivr",
        "An unknown number hangs up in the voice menu, before any extension rings.",
        starts="14:08:30",
        serial=84,
        ends_s=21,
        conversations=(),
        client=LEAD,
        status="304",
        dial_status="",
    ),
    Scenario(
        "queue",
        "An unknown number calls a queue; 101, 102 and 103 ring, 102 answers.",
        starts="15:31:45",
        serial=92,
        ends_s=128,
        conversations=(
            Conversation(IVANOVA, Span(6, 19)),
            Conversation(SIDOROV, Span(6, 127, 19)),
            Conversation(KUZNETSOVA, Span(6, 19)),
        ),
        told=1,
        client=LEAD,
    ),
    replace(
        _OUTGOING,
        name="click-to-call",
        summary="The user of extension 101 clicks on a contact's number in the CRM; the contact answers.",
        starts="16:12:20",
        serial=105,
        is_click_to_call=True,
    ),
    replace(
        _INCOMING,
        name="legacy",
        summary="incoming, from a connector before 3.13: call and conversation, no call_full.",
        form=Form.LEGACY,
    ),
    replace(
        _INCOMING,
        name="minimal",
        summary="Only the keys without which there is no request.",
        form=Form.MINIMAL,
    ),
)

SCENARIOS: Mapping[str, Scenario] = MappingProxyType({scenario.name: scenario for scenario in TABLE})
