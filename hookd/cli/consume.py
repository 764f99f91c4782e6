"""
`hookd consume`: do the jobs.
"""

import argparse

from hookd.cli.arguments import add_config
from hookd.cli.become import become, find


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_config(parser)
    parser.set_defaults(command=consume)


def consume(args: argparse.Namespace) -> int:
    """Become the consumer; returns only if that fails."""
    config, _ = find(args)
    become("hookd.consumer", config)
