"""
`hookd doctor`: a verdict and a remedy for each thing that hookd depends on; the sandbox is really tried.
"""

import argparse
import os
import tempfile
from pathlib import Path

from hookd.cli import session
from hookd.cli.arguments import add_config, add_format
from hookd.cli.output import OK, YOURS_IS_WRONG, print_json
from hookd.doctor import Finding, Verdict, examine, examine_machine
from hookd.errors import SettingsError
from hookd.service import Service
from hookd.settings import load

MARKS = {Verdict.OK: "ok     ", Verdict.WARNING: "WARNING", Verdict.FAILURE: "FAILURE"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_config(parser)
    add_format(parser)
    parser.set_defaults(command=doctor)


def doctor(args: argparse.Namespace) -> int:
    """Print what each check found."""
    try:
        found = session.run(session.read_settings(args), _examine)
    except SettingsError as error:
        found = _examine_machine(str(error))
    if args.format == "json":
        checks = [
            {"check": name, "verdict": one.verdict, "message": one.message, "remedy": one.remedy or None}
            for name, one in found
        ]
        print_json({"verdict": worst(found), "checks": checks})
    else:
        for name, one in found:
            print(f"{MARKS[one.verdict]}  {name:<10}  {one.message}")
            if one.remedy:
                print(f"{'':<21}{one.remedy}")
    return YOURS_IS_WRONG if worst(found) is Verdict.FAILURE else OK


async def _examine(service: Service) -> list[tuple[str, Finding]]:
    return examine(service, os.environ)


def _examine_machine(fault: str) -> list[tuple[str, Finding]]:
    async def look(service: Service) -> list[tuple[str, Finding]]:
        return examine_machine(service, os.environ, fault)

    with tempfile.TemporaryDirectory(prefix="hookd-") as empty:  # the defaults, and no hooks
        (Path(empty) / "hooks").mkdir()
        return session.run(load(None, Path(empty)), look)


def worst(found: list[tuple[str, Finding]]) -> Verdict:
    """
    Return the worst verdict of *found*.
    """
    order = list(Verdict)
    return max((one.verdict for _, one in found), key=order.index, default=Verdict.OK)
