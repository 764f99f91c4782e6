"""
The `hookd` command: one module a command, each the arguments and a function that calls a module and prints.

Exit codes: 0 fine, 1 yours is wrong, 2 hookd or usage. Results go to standard output, problems to standard error.
"""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence

from hookd.cli.output import OK, USAGE, YOURS_IS_WRONG, complain
from hookd.errors import HookdError, IntegratorError, SenderError

DESCRIPTION = """
Answer a telephony connector with hooks: Python files that run in a jail, on a deadline. Exit codes: 0 fine, 1 yours is
wrong, 2 hookd or usage.
"""
VERSION = "--version"
INTERRUPTED = 130  # what shells expect after Ctrl-C

# Name, which is also the module's, → help. Only the module of the command that is asked for is imported.
COMMANDS = {
    "init": "make a directory with settings, a hook and its tests",
    "serve": "answer the connector over HTTP",
    "consume": "do the jobs; `hookd serve` starts this where it is needed",
    "new": "write a hook that changes nothing yet, and a test of it",
    "check": "compile the hooks and name everything that is wrong; run nothing",
    "run": "run a hook once and show the reply and what it changes",
    "runs": "list the runs of the journal, show one, or make a test of it",
    "test": "run the cases in hooks/tests and show what differs",
    "simulate": "play one call through all points and show what the CRM would get; nothing is sent",
    "jobs": "list the jobs, show one, try it again, or forget old ones",
    "events": "list the events that came, show one, or try it again",
    "portal": "list the Bitrix24 portals, bind events and pages in them, test them",
    "points": "list the points",
    "samples": "list the sample requests, or print one",
    "bridge": "lead the connector's questions to hookd",
    "doctor": "look at everything hookd depends on; exit code 1 if something fails",
    "version": "print the versions of hookd and of what it stands on",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command that *arguments* (those of the process) name, and return its exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # JSON is UTF-8, whatever the locale
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == [VERSION]:  # what people type first at a command that they do not know
        arguments[0] = "version"
    parsed = _parser(arguments).parse_args(arguments)
    try:
        code: int = parsed.command(parsed)
        sys.stdout.flush()
    except (IntegratorError, SenderError) as error:
        complain(error)
        return YOURS_IS_WRONG
    except HookdError as error:
        for line in str(error).splitlines():
            complain(f"hookd: {line}")
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `hookd samples | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return code


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hookd", description=DESCRIPTION)
    parser.add_argument(VERSION, action="store_true", help="the same as `hookd version`")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        of_command = commands.add_parser(name, help=text)
        if name in arguments[:1]:
            importlib.import_module(f"hookd.cli.{name}").add_arguments(of_command)
    return parser
