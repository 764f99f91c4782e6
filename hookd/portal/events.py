"""
Events come in: read, believed, written down, and only then answered.

The portal sends an event once and reads nothing but the status, so all that is left to do waits in the inbox: one row,
whose key is what two deliveries of the same event have in common. An event that no hook answers leaves no row. Tokens
of the event are not kept: hooks that answer events act as the app.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from hookd.documents import Json
from hookd.errors import JobError, NotFormError
from hookd.jobs import EVENT, Job, Jobs
from hookd.points import EVENTS
from hookd.portal import codes, forms
from hookd.portal.envelopes import Event, read_event
from hookd.portal.trust import Terms, Trust

LATE_S = 300.0  # more than clocks differ

log = structlog.get_logger("hookd.portal")


class Accept(Protocol):
    """
    Takes an event over that was believed: when it returns, the event is on the disk.
    """

    def __call__(self, site: str, hook: str, event: Event, /) -> bool:
        """Return whether it was new; *hook* is the name of the one that answers it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """
    What became of an event.

    Attributes:
        hook: The one that answers it; "" where there is none, and nothing was kept.
        is_new: Whether it was not known already.
    """

    event: Event
    hook: str
    is_new: bool


class Events:
    """
    The way in for events, of one process; its methods block, and any thread may call them.
    """

    def __init__(self, trust: Trust, accept: Accept) -> None:
        self._trust = trust
        self._accept = accept

    def take(self, terms: Terms, hooks: Path, body: bytes, content_type: str) -> Taken:
        """
        Take the event in *body*.

        Args:
            hooks: The site's hooks directory.

        Raises:
            SenderError: It is no event, or its sender does not prove to be the portal that it names.
            StorageError: It could not be written down.
        """
        event = read_event(forms.parse(body, content_type))
        self._trust.check_event(terms, event)
        hook = hook_of(hooks, EVENTS, codes.event_hooks(event.code))
        is_new = bool(hook) and self._accept(terms.site, hook, event)
        log.info(
            "event",
            site=terms.site,
            portal=event.claim.member_id,
            code=event.code,
            object=event.object_key,
            hook=hook or None,
            known=bool(hook) and not is_new,
            warnings=[str(warning) for warning in event.warnings[:5]] or None,
        )
        return Taken(event, hook, is_new)


def into_inbox(jobs: Jobs) -> Accept:
    """
    Return what writes events into the inbox, for the consumer.
    """

    def accept(site: str, hook: str, event: Event, /) -> bool:
        try:
            about = payload(event)
            delay_s = _left_of_second(event.at)
            known_by = {"key": event.key, "kind": EVENT, "lane": about["object"]}
            return jobs.enqueue(site, hook, about, delay_s=delay_s, **known_by).is_new
        except JobError as error:
            raise NotFormError(f"the event cannot be kept: {error.message}") from error

    return accept


def payload(event: Event) -> dict[str, Json]:
    """
    Return what the inbox keeps of *event*: what its hook gets, and what it is about, for the order of work.
    """
    return {"event": event.document(), "object": f"{event.claim.member_id}/{event.object_key}"}


def _left_of_second(at: int | None) -> float:
    """
    How long the second *at* may still last, at most.

    Another change in the same second counts as the same event. It is in the portal before the hook reads the object, if
    the hook waits for the end of that second. Nobody knows how far the portal's clock is from this one: what counts is
    when the event came, unless that is long after.
    """
    return 0.0 if at is None or time.time() - at > LATE_S else 1.0


def document(job: Job) -> dict[str, Json]:
    """
    Return the event in a row of the inbox as its hook gets it.
    """
    return {"id": job.id, "attempt": job.attempt, **job.payload["event"]}


def example(event: Event) -> dict[str, Json]:
    """
    Return *event* as its hook gets it the first time, for commands and tests of hooks.
    """
    return {"id": "0" * 24, "attempt": 1, **event.document()}


def brake_key(job: Job) -> str | None:
    """
    Return what events that may be a loop have in common: site, portal, object and code; None where no object is named.
    """
    about = job.payload["object"]  # "portal/kind:id"; an id may have any character, a portal and a kind have no colon
    return f"{job.site}/{about}/{job.payload['event']['code']}" if ":" in about else None


def hook_of(hooks: Path, directory: str, names: Sequence[str]) -> str:
    """
    Return the first of *names* that has a file in *directory* of *hooks*; "" where none has.
    """
    return next((name for name in names if (hooks / directory / f"{name}.py").is_file()), "")
