"""
`hookd version`: what is running here.
"""

import argparse
import platform
from importlib import metadata

from hookd import __version__
from hookd.cli.arguments import add_format
from hookd.cli.output import OK, print_json, print_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
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
