"""
The sandbox: the isolation level that the probe observed, what is missing to the next one, and how to get it here.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from hookd.doctor.finding import Finding, failure, ok, warning
from hookd.sandbox.isolation import DONE
from hookd.service import Service

# What the attempts say that a level lacks: below L2 they got through.
BARRIERS = {
    0: "not in force:",
    2: "one layer alone keeps a worker from this:",
    3: "no namespace keeps a worker from this:",
}
NAMESPACES = frozenset({"user", "pid", "net", "ipc", "uts", "mount", "root"})
APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
CLONE = Path("/proc/sys/kernel/unprivileged_userns_clone")
MAX = Path("/proc/sys/user/max_user_namespaces")
CONTAINER_FILES = (Path("/.dockerenv"), Path("/run/.containerenv"))

IN_CONTAINER = (
    "A container's default profile refuses user namespaces; L3 is what it can have, and is good. Never take "
    "--privileged or seccomp=unconfined for it."
)
BY_APPARMOR = (
    "Ubuntu lets only programs with a profile make user namespaces. Put these lines into /etc/apparmor.d/hookd: `abi "
    "<abi/4.0>,` `profile hookd {python} flags=(unconfined) {{ userns, }}`; then run `apparmor_parser -r "
    "/etc/apparmor.d/hookd`. It counts for every program of that Python: give hookd one of its own."
)
BY_SYSCTL = "This kernel refuses user namespaces: sysctl -w {name}={value}, and keep it in /etc/sysctl.d/."
BY_UNIT = (
    "In a systemd unit remove RestrictNamespaces=, and set SystemCallErrorNumber=EPERM and "
    "SystemCallFilter=@system-service @mount ptrace seccomp landlock_create_ruleset landlock_add_rule "
    "landlock_restrict_self."
)
LANDLOCK = (
    "Landlock needs Linux 5.13 or newer with landlock in the lsm= list of the kernel's command line (`cat "
    "/sys/kernel/security/lsm`); in a systemd unit: SystemCallFilter=@system-service landlock_create_ruleset "
    "landlock_add_rule landlock_restrict_self seccomp, with SystemCallErrorNumber=EPERM."
)
SECCOMP = "The kernel has to be built with CONFIG_SECCOMP_FILTER, which those of all distributions are."


def isolation(service: Service, environment: Mapping[str, str]) -> list[Finding]:
    """How strong the jail is, as observed by trying to break out of it."""
    found, settings = service.pool.isolation, service.settings
    worked = [name for name, how in found.attempts.items() if how == DONE]
    shown = f"{found.name}: of {len(found.attempts)} attempts to break out, {len(worked)} worked"
    shown += f": {', '.join(worked)}" if worked else ""
    missing = [
        warning(f"layer {layer} is not in force: {why}", remedy(layer, environment))
        for layer, why in found.layers.items()
        if why
    ]
    between = BARRIERS.get(found.level, "a worker can")
    missing += [
        warning(f"what keeps it from L{found.level + 1}: {between} {what}", why) for what, why in found.missing()
    ]
    if found.level >= settings.wanted_level:
        return [ok(shown), *missing]
    if settings.allow_weak_isolation:
        weak = f"{shown}; below min_isolation = {settings.min_isolation}, allowed by allow_weak_isolation"
        return [warning(weak, "Take allow_weak_isolation out once what is missing below is there."), *missing]
    below = f"{shown}; below min_isolation = {settings.min_isolation}: no hook is run"
    return [failure(below, "Mend what is missing; only to develop hooks: allow_weak_isolation = true."), *missing]


def remedy(layer: str, environment: Mapping[str, str]) -> str:
    """
    Return how to get *layer* in the environment that this process runs in.
    """
    if layer == "landlock":
        return LANDLOCK
    if layer == "seccomp":
        return SECCOMP
    if layer not in NAMESPACES:
        return "Look into the log of the start."
    if is_container(environment):
        return IN_CONTAINER
    if _read(APPARMOR) == "1":
        return BY_APPARMOR.format(python=os.path.realpath(sys.executable))
    for path, value in ((CLONE, "1"), (MAX, "10000")):
        if _read(path) == "0":
            name = ".".join(path.parts[3:])
            return BY_SYSCTL.format(name=name, value=value)
    return BY_UNIT


def is_container(environment: Mapping[str, str]) -> bool:
    """
    Return whether this process runs in a container.
    """
    return "KUBERNETES_SERVICE_HOST" in environment or any(path.exists() for path in CONTAINER_FILES)


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except OSError:
        return ""
