"""
`hookd jobs`: what was promised, how it stands, and what to do about it.
"""

import argparse

from hookd.cli.inbox import Noun, add_actions
from hookd.jobs import JOB

_NOUN = Noun(JOB, "a", "name", ("name",), lambda job: (job.name,))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_actions(parser, _NOUN)
