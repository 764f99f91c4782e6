"""
The `hookd` command: one module a command, each a parser block and a function that calls a module and prints.

Exit codes: 0 fine, 1 yours is wrong, 2 hookd or usage. Results go to standard output, problems to standard error.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence

from hookd.cli import (
    bridge,
    check,
    consume,
    doctor,
    events,
    init,
    jobs,
    new,
    points,
    portal,
    run,
    runs,
    samples,
    serve,
    simulate,
    test,
    version,
)
from hookd.cli.output import OK, USAGE, YOURS_IS_WRONG, complain
from hookd.errors import HookdError, IntegratorError, SenderError

INTERRUPTED = 130  # what shells expect after Ctrl-C

_COMMANDS = (
    init,
    serve,
    consume,
    new,
    check,
    run,
    runs,
    test,
    simulate,
    jobs,
    events,
    portal,
    points,
    samples,
    bridge,
    doctor,
    version,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command that *arguments* (those of the process) name, and return its exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # JSON is UTF-8, whatever the locale
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    parsed = _parser().parse_args(arguments)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hookd", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in _COMMANDS:
        module.add_parser(commands)
    return parser
