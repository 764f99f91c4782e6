"""
What the commands on recorded runs have in common: a run of the journal, and what comes of its request now.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from hookd import contract
from hookd.cli.session import hooks_directory, read_settings
from hookd.differences import MISSING, Difference, differences, shown
from hookd.documents import Json
from hookd.errors import ContractError, UsageError
from hookd.history import History
from hookd.points import Point, point_of
from hookd.runs import Run

COMPARED = ("outcome", "reason", "reply")


@dataclass(frozen=True, slots=True)
class Recorded:
    """
    A run of the journal.

    Attributes:
        document: As the journal keeps it.
    """

    document: dict[str, Json]

    @property
    def id(self) -> str:
        return str(self.document["run_id"])

    @property
    def site(self) -> str:
        return str(self.document["site"])

    @property
    def at(self) -> str:
        """When it began, in ISO 8601."""
        return str(self.document["at"])

    @property
    def point(self) -> Point:
        """
        Where it was asked.

        Raises:
            UsageError: This hookd has no such point.
        """
        point = point_of(str(self.document["point"]))
        if point is None:
            raise UsageError(f"run {self.id}: this hookd has no point {self.document['point']!r}")
        return point

    @property
    def request(self) -> Json:
        """
        The body that was posted.

        Raises:
            UsageError: It was too long to be kept.
        """
        if "request" in self.document["omitted"]:
            raise UsageError(f"run {self.id}: its request is over 64 KB long and was not kept")
        return self.document["request"]

    @property
    def changes(self) -> list[Difference]:
        """What the hook changed; nothing where the request or the reply was too long to be kept."""
        if {"request", "reply"} & set(self.document["omitted"]):
            return []
        try:
            request = contract.read_request(self.point, self.request)
        except ContractError:  # another hookd found it good
            return []
        return list(differences(contract.envelope(contract.unchanged(request)), self.document["reply"]))

    def differing(self, run: Run) -> list[Difference]:
        """What is otherwise in *run*, which is expected to come to the same."""
        now = {"outcome": run.outcome, "reason": run.reason or None, "reply": run.reply}
        kept = [name for name in COMPARED if name not in self.document["omitted"]]
        return list(differences({name: self.document[name] for name in kept}, {name: now[name] for name in kept}))


def find(args: argparse.Namespace, beginning: str) -> Recorded:
    """
    Return the run whose id begins so.

    Raises:
        UsageError: There is none, or there are several.
    """
    with History(read_settings(args)) as history:
        return Recorded(history.get(beginning))


def site_of(args: argparse.Namespace, recorded: Recorded) -> argparse.Namespace:
    """
    Return the arguments that lead to the run's site.

    Raises:
        UsageError: The site is gone.
    """
    found = argparse.Namespace(config=args.config, site=recorded.site)
    hooks_directory(read_settings(found), found.site)
    return found


def sides(found: list[Difference], before: str, after: str) -> list[Json]:
    """
    Return differences for `--format json`; a value that is missing has no key.
    """
    return [
        {"path": difference.path}
        | {
            name: value
            for name, value in ((before, difference.expected), (after, difference.actual))
            if value is not MISSING
        }
        for difference in found
    ]


def told(found: list[Difference]) -> Iterator[str]:
    """Yield a line for each difference between what was recorded and what comes of it now."""
    for difference in found:
        yield f"{difference.path}: recorded {shown(difference.expected)}, now {shown(difference.actual)}"
