"""
`hookd version`: what is running here.
"""

import argparse
import platform
from importlib import metadata
from typing import Any

from hookd import __version__
from hookd.cli.arguments import add_format
from hookd.cli.output import OK, print_json, print_table


def add_parser(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("version", help="print the versions of hookd and of what it stands on")
    add_format(parser)
    parser.set_defaults(command=version)


def version(args: argparse.Namespace) -> int:
    """Print the versions that a report of a fault should name."""
    found = {
        "hookd": __version__,
        "python": platform.python_version(),
        "restrictedpython": metadata.version("RestrictedPython"),
        "kernel": platform.release(),
    }
    if args.format == "json":
        print_json(found)
    else:
        print_table(found.items())
    return OK
