"""
`hookd init`: a site to start from.
"""

import argparse
import shlex
from pathlib import Path

from hookd import scaffold
from hookd.cli.arguments import add_format
from hookd.cli.output import OK, print_made, shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = "Overwrites nothing."
    parser.add_argument("directory", type=Path, metavar="DIR", help="made if it is not there")
    add_format(parser)
    parser.set_defaults(command=init)


def init(args: argparse.Namespace) -> int:
    """Make the site, and say how it goes on."""
    files = [shown(path) for path in scaffold.make_site(args.directory)]
    commands = [f"cd {shlex.quote(str(args.directory))}", "hookd test", "hookd serve"]
    print_made(files, commands, args.format)
    return OK
