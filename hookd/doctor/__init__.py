"""
What `hookd doctor` looks at: one function a check, each returns what it found, with a remedy where something is wrong.

Nothing is guessed that can be tried: hooks are compiled in workers, the sandbox's own attempts to escape tell how
strong it is, and the server is asked whether it is ready.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hookd.doctor import access, files, machine, sandbox
from hookd.doctor.finding import Finding, Verdict
from hookd.service import Service

__all__ = ["CHECKS", "Finding", "Verdict", "examine"]


@dataclass(frozen=True, slots=True)
class Check:
    """
    One thing that is looked at.

    Attributes:
        name: One word for people and for monitoring.
        look: Returns what it found, given the service and the environment variables of the process.
    """

    name: str
    look: Callable[[Service, Mapping[str, str]], list[Finding]]


CHECKS = (
    Check("python", machine.python),
    Check("kernel", machine.kernel),
    Check("isolation", sandbox.isolation),
    Check("user", machine.user),
    Check("clock", machine.clock),
    Check("zone", machine.zone),
    Check("settings", files.settings),
    Check("state", files.state),
    Check("inbox", files.inbox),
    Check("secrets", files.secrets),
    Check("schemas", files.schemas),
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
