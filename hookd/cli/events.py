"""
`hookd events`: what the portals told, how it stands, and what to do about it.
"""

import argparse

from hookd.cli.inbox import Noun, add_actions
from hookd.jobs import EVENT, Job


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_actions(parser, _NOUN)


def _cells(job: Job) -> tuple[str, ...]:
    portal, _, about = job.payload["object"].partition("/")
    return job.payload["event"]["code"], portal, about, job.name


_NOUN = Noun(EVENT, "an", "hook", ("event", "portal", "object", "hook"), _cells)
