"""
What `hookd doctor` looks at: one function a check, each returns what it found, with a remedy where something is wrong.

Nothing is guessed that can be tried: hooks are compiled in workers, the sandbox's own attempts to escape tell how
strong it is, and the server is asked whether it is ready.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hookd.doctor import access, files, machine, sandbox
from hookd.doctor.finding import Finding, Verdict, failure
from hookd.service import Service

__all__ = ["CHECKS", "Finding", "Verdict", "examine", "examine_machine"]


@dataclass(frozen=True, slots=True)
class Check:
    """
    One thing that is looked at.

    Attributes:
        name: One word for people and for monitoring.
        look: Returns what it found, given the service and the environment variables of the process.
        needs_settings: Whether it looks at what the settings say, and not at the machine alone.
    """

    name: str
    look: Callable[[Service, Mapping[str, str]], list[Finding]]
    needs_settings: bool = True


SETTINGS = "settings"
CHECKS = (
    Check("python", machine.python, needs_settings=False),
    Check("kernel", machine.kernel, needs_settings=False),
    Check("isolation", sandbox.isolation, needs_settings=False),  # the default min_isolation will do
    Check("user", machine.user, needs_settings=False),
    Check("clock", machine.clock, needs_settings=False),
    Check("zone", machine.zone),
    Check(SETTINGS, files.settings),
    Check("state", files.state),
    Check("inbox", files.inbox),
    Check("secrets", files.secrets),
    Check("schemas", files.schemas, needs_settings=False),
    Check("sites", files.sites),
    Check("hooks", files.hooks),
    Check("quarantine", files.quarantine),
    Check("access", access.tokens),
    Check("proxy", access.proxy),
    Check("server", access.server),
)


def examine(service: Service, environment: Mapping[str, str]) -> list[tuple[str, Finding]]:
    """
    Return what each check found, with the check's name; *service* was started.
    """
    return [(check.name, finding) for check in CHECKS for finding in check.look(service, environment)]


def examine_machine(service: Service, environment: Mapping[str, str], fault: str) -> list[tuple[str, Finding]]:
    """
    Return what is wrong with the settings, a line of *fault* each, and what the checks found that need none; *service*
    was started with the defaults.
    """
    wrong = [failure(line, "Correct it: what the settings name could not be looked at.") for line in fault.splitlines()]
    rest = [check for check in CHECKS if not check.needs_settings]
    return [
        *((SETTINGS, finding) for finding in wrong),
        *((check.name, finding) for check in rest for finding in check.look(service, environment)),
    ]
