"""
What `hookd serve` and `hookd consume` have in common: each becomes a process that reads its own settings.
"""

import argparse
import errno
import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

from hookd.errors import SettingsError
from hookd.settings import CONFIG_NAME, Settings, find_config, load


def find(args: argparse.Namespace) -> tuple[Path | None, Settings]:
    """
    Return the file that `--config`, the environment or the working directory lead to, and its settings.

    Raises:
        SettingsError: They are wrong.
    """
    working = Path.cwd()
    config = find_config(args.config, os.environ, working)
    settings = load(config, working)
    if settings.site.points:
        from hookd.sites import check_points  # half a second, which most installations need not wait

        check_points(settings.site, str(config))
    return config, settings


def check_address(bind: str) -> None:
    """
    Check that *bind* can be listened on.

    Raises:
        SettingsError: Another program does, or the address is none of this machine's.
    """
    if bind.startswith("unix:"):
        return
    host, _, port = bind.rpartition(":")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as opened:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
            opened.listen()
    except OSError as error:
        remedy = "Stop the program that listens there, or set" if error.errno == errno.EADDRINUSE else "Set"
        raise SettingsError(f"bind = {bind!r}: {error.strerror}. {remedy} `bind` in {CONFIG_NAME}.") from error


def become(module: str, config: Path | None) -> NoReturn:
    """
    Run *module* with the settings of *config* in this process's place.
    """
    sys.stderr.flush()
    environment = {**os.environ, **({"HOOKD_CONFIG": str(config)} if config else {})}
    os.execve(sys.executable, [sys.executable, "-m", module], environment)
