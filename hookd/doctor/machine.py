"""
The machine: interpreter, kernel, user, clock and zone.
"""

import ctypes
import os
import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from hookd.doctor.finding import Finding, ok, warning
from hookd.service import Service

TESTED = ((3, 11), (3, 13))  # the first and the last Python that the tests ran on
TIME_ERROR = 5  # adjtimex(2): the clock is not synchronized
TIMEX_BYTES = 512  # struct timex has 208 on 64-bit machines
LOCALTIME = Path("/etc/localtime")


def python(service: Service, environment: Mapping[str, str]) -> list[Finding]:
    """The interpreter, and the library that the language layer is built on."""
    shown = f"Python {platform.python_version()}, RestrictedPython {metadata.version('RestrictedPython')}"
    if TESTED[0] <= sys.version_info[:2] <= TESTED[1]:
        return [ok(shown)]
    first, last = (".".join(map(str, version)) for version in TESTED)
    return [warning(f"{shown}: hookd was not tested on it", f"Use Python {first} to {last}, or run `make test` here.")]


def kernel(service: Service, environment: Mapping[str, str]) -> list[Finding]:
    """What the kernel has for the jail."""
    isolation = service.pool.isolation
    landlock = f"Landlock ABI {isolation.landlock_abi}" if isolation.landlock_abi else "no Landlock"
    return [ok(f"{platform.system()} {platform.release()} on {platform.machine()}, {landlock}")]


def user(service: Service, environment: Mapping[str, str]) -> list[Finding]:
    """Who runs hookd, and who its workers are."""
    worker = service.pool.isolation.uid
    if os.geteuid() != 0:
        return [ok(f"runs as uid {os.geteuid()}, workers as uid {worker}")]
    remedy = "Make a user for it: useradd --system hookd; in a systemd unit: User=hookd; in Docker: --user 10001."
    return [warning(f"runs as root; workers run as uid {worker}", remedy)]


def clock(service: Service, environment: Mapping[str, str]) -> list[Finding]:
    """Whether the clock is kept right: working hours and tokens depend on it."""
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    if state == TIME_ERROR:
        return [warning("the clock is not synchronized", "Start a time service: timedatectl set-ntp true")]
    return [ok("the clock is synchronized" if state >= 0 else "the clock's state cannot be read here")]


def zone(service: Service, environment: Mapping[str, str]) -> list[Finding]:
    """Whether the default site's zone is that of the machine, whose connector writes times in it."""
    chosen = service.settings.site.time_zone
    own = _machine_zone(environment)
    if chosen == "UTC" and own not in ("", "UTC", "Etc/UTC"):
        remedy = f'Set time_zone = "{own}" under [site] of hookd.toml.'
        return [warning(f"the default site counts in UTC, this machine in {own}", remedy)]
    return [ok(f"the default site counts in {chosen}, this machine in {own or 'an unnamed zone'}")]


def _machine_zone(environment: Mapping[str, str]) -> str:
    if environment.get("TZ"):
        return environment["TZ"].lstrip(":")
    try:
        return os.path.realpath(LOCALTIME, strict=True).partition("/zoneinfo/")[2]
    except OSError:
        return "UTC"  # no such file means UTC to the C library
