"""
What `hookd serve` and `hookd consume` have in common: each becomes a process that reads its own settings.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from hookd.settings import Settings, find_config, load


def find(args: argparse.Namespace) -> tuple[Path | None, Settings]:
    """
    Return the file that `--config`, the environment or the working directory lead to, and its settings.

    Raises:
        SettingsError: They are wrong.
    """
    working = Path.cwd()
    config = find_config(args.config, os.environ, working)
    return config, load(config, working)


def become(module: str, config: Path | None) -> NoReturn:
    """
    Run *module* with the settings of *config* in this process's place.
    """
    sys.stderr.flush()
    environment = {**os.environ, **({"HOOKD_CONFIG": str(config)} if config else {})}
    os.execve(sys.executable, [sys.executable, "-m", module], environment)
