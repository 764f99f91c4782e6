"""
`hookd new`: a hook to start from.
"""

import argparse

from hookd import scaffold
from hookd.cli.arguments import add_format, add_hook, add_site
from hookd.cli.output import OK, complain, print_made, shown
from hookd.cli.session import hooks_directory, read_settings
from hookd.errors import Problem
from hookd.portal import codes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = "Overwrites nothing."
    add_hook(parser)
    add_site(parser)
    add_format(parser)
    parser.set_defaults(command=new)


def new(args: argparse.Namespace) -> int:
    """Write the hook and its case, and say how they are tried."""
    hooks = hooks_directory(read_settings(args), args.site)
    files = [shown(path) for path in scaffold.make_hook(hooks, args.point)]
    if args.point.is_event and (said := codes.unknown_event(args.point.entry)):
        complain(f"warning: {Problem(files[0], 0, *said)}")
    commands = [f"hookd {verb} {args.point.name}" for verb in ("run", "test")]
    print_made(files, commands, args.format)
    return OK
