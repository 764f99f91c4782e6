"""
Where in a call a point asks, and what the connector has found out by then.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hookd.points import RECORD_POINT, REGISTRATION_STAGES, Point
from hookd.samples.scenarios import Form, Scenario

# Where a point is not asked in every call.
_ASKED: Mapping[str, Callable[[Scenario], bool]] = {
    "process_user_phone": lambda call: bool(call.conversations),
    "customize_show_call_card": lambda call: bool(call.conversations),
    # The CRM itself registers what is clicked in it.
    "process_registration_params": lambda call: not call.is_click_to_call,
    "process_originate_params": lambda call: call.is_click_to_call,
    "process_task_creation_params": lambda call: not call.is_answered,
    RECORD_POINT: lambda call: call.is_answered,
    "customize_attach_record_url": lambda call: call.is_answered,
    # The same in every version of the connector, so legacy would repeat incoming.
    "customize_autodistribution": lambda call: (
        call.is_incoming and bool(call.conversations) and call.form is not Form.LEGACY
    ),
}


def is_asked(point: Point, scenario: Scenario) -> bool:
    asked = _ASKED.get(point.name)
    return scenario.form is Form.MINIMAL or asked is None or asked(scenario)


def stages(point: Point, scenario: Scenario) -> tuple[str, ...]:
    stages = tuple(stage for stage in scenario.stages if stage in point.stages)
    return stages[:1] if point.stages == REGISTRATION_STAGES else stages  # a call is registered once


@dataclass(frozen=True, slots=True)
class Moment:
    """
    One second of a call, and what is known by then.

    Attributes:
        told: Index of the conversation that is asked about; no meaning where the call has none.
        has_user: Whether the employee of that conversation was looked up.
        has_entity: Whether the call has a lead or contact: a known client was looked up, a new one registered.
        is_registered: Whether the CRM knows the call.
    """

    stage: str
    at_s: int
    told: int
    has_user: bool
    has_entity: bool
    is_registered: bool


BEFORE_LOOKUP = ("process_user_phone", "process_client_phone")
_BEFORE_REGISTRATION = (*BEFORE_LOOKUP, "need_registration", "process_registration_params")


def moment_of(point: Point, scenario: Scenario, stage: str) -> Moment:
    told = 0 if point.stages == REGISTRATION_STAGES else scenario.told
    at_s = _second_of(stage, scenario, told)
    is_first = at_s == scenario.asks_first_s and not scenario.is_click_to_call  # the CRM knows its own clicks
    is_registered = not (is_first and point.name in _BEFORE_REGISTRATION)
    return Moment(
        stage,
        at_s,
        told,
        has_user=not (stage == "conversation_requested" and point.name in BEFORE_LOOKUP),
        has_entity=is_registered if scenario.client.is_new else not (is_first and point.name in BEFORE_LOOKUP),
        is_registered=is_registered,
    )


def _second_of(stage: str, scenario: Scenario, told: int) -> int:
    if stage == "call_ended":
        return scenario.ends_s
    span = scenario.conversations[told].span
    if stage == "conversation_accepted" and span.answers_s is not None:
        return span.answers_s
    return span.ends_s if stage == "conversation_ended" else span.starts_s
