"""
An order: what a worker has to know for a run, and until when.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hookd.documents import Json
from hookd.hooks import Hook
from hookd.points import RECORD_POINT, Point
from hookd.portal.rest import Who
from hookd.sandbox.pool import Recipe, Worker
from hookd.sites import Site
from hookd.tools import Ground, StandIn


@dataclass(frozen=True, slots=True)
class Order:
    """
    What is asked of a worker in one run; times are monotonic seconds.

    Attributes:
        settings: The hook's own.
        started: When the request's headers were there.
        validated: When the request was found good, from which the run waits for a worker.
        timeout_s: From `started` until the hook is stopped.
        is_shortened: Whether the sender asked for a limit of its own.
        now: ISO time at which the hook's clock stands still; None lets it go.
        stand_in: Answers calls of tools in their place; None leaves them to the tools.
        frame: What the page of a placement is shown in.
        who: As whom the portal is asked; None leaves it to the site's settings.
        portal: Id of the portal that asks; "" where none does.
    """

    site: Site
    point: Point
    hook: Hook
    settings: Mapping[str, Json]
    started: float
    validated: float
    timeout_s: float
    is_shortened: bool
    now: str | None
    stand_in: StandIn | None
    frame: Mapping[str, str] | None
    who: Who | None
    portal: str

    @property
    def key(self) -> tuple[str, str]:
        """The hook's name in the whole installation."""
        return self.site.name, self.hook.name

    @property
    def deadline(self) -> float:
        """When the hook is stopped."""
        return self.started + self.timeout_s

    @property
    def is_background(self) -> bool:
        """Whether the run leaves half of the workers to those that a call waits for."""
        return self.point.name == RECORD_POINT or self.point.is_durable

    @property
    def is_fresh(self) -> bool:
        """Whether the hook is to run in fresh workers."""
        own = self.site.settings.points.get(self.point.name)
        return (own.isolation if own and own.isolation else self.site.settings.isolation) == "fresh"

    @property
    def recipe(self) -> Recipe:
        """What is told ahead to the workers of a hook that runs in fresh ones."""
        return Recipe(self.site.message, _load_message(self.hook))

    @property
    def ground(self) -> Ground:
        """Where the hook's tools act."""
        return replace(self.site.ground, portal=self.portal, who=self.who)

    def messages(self, worker: Worker, document: Json) -> list[dict[str, Any]]:
        """
        Return the messages that *worker* has not had yet, and the one that runs the hook on *document*.
        """
        messages = []
        if self.site.message is not worker.site_message:
            messages.append(self.site.message)
        if self.hook.digest not in worker.loaded:
            messages.append(_load_message(self.hook))
        run = {"t": "run", "key": self.hook.digest, "document": document, "settings": self.settings, "now": self.now}
        if self.hook.kind == "placement":
            run["frame"] = self.frame
        return [*messages, run]


def _load_message(hook: Hook) -> dict[str, Any]:
    return {
        "t": "load",
        "key": hook.digest,
        "kind": hook.kind,
        "name": hook.name,
        "file": hook.file,
        "source": hook.source,
        "libs": dict(hook.libs),
        "templates": dict(hook.templates),
    }
