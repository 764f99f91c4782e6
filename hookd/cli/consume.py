"""
`hookd consume`: do the jobs.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from hookd.settings import find_config, load


def add_parser(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("consume", help="do the jobs; `hookd serve` starts this where it is needed")
    parser.add_argument("--config", type=Path, help="the hookd.toml to use")
    parser.set_defaults(command=consume)


def consume(args: argparse.Namespace) -> int:
    """Become the consumer; returns only if that fails."""
    working = Path.cwd()
    config = find_config(args.config, os.environ, working)
    load(config, working)
    environment = {**os.environ, **({"HOOKD_CONFIG": str(config)} if config else {})}
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, "-m", "hookd.consumer"], environment)
