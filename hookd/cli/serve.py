"""
`hookd serve`: answer the connector.
"""

import argparse
import contextlib
import sys

from hookd.cli.arguments import add_config
from hookd.cli.become import become, check_address, find


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_config(parser)
    parser.set_defaults(command=serve)


def serve(args: argparse.Namespace) -> int:
    """Become the supervisor of gunicorn and the consumer; returns only if that fails."""
    config, settings = find(args)
    check_address(settings.bind)
    where = settings.bind if settings.bind.startswith("unix:") else f"http://{settings.bind}"
    with contextlib.suppress(OSError):  # a log on a full disk keeps nobody from being served
        print(f"hookd: settings: {config or 'defaults'}; hooks: {settings.hooks}; {where}", file=sys.stderr)
    become("hookd.supervisor", config)
