"""
`hookd serve`: answer the connector.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from hookd.settings import find_config, load


def add_parser(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("serve", help="answer the connector over HTTP")
    parser.add_argument("--config", type=Path, help="the hookd.toml to use")
    parser.set_defaults(command=serve)


def serve(args: argparse.Namespace) -> int:
    """Become the supervisor of gunicorn and the consumer; returns only if that fails."""
    working = Path.cwd()
    config = find_config(args.config, os.environ, working)
    settings = load(config, working)
    where = settings.bind if settings.bind.startswith("unix:") else f"http://{settings.bind}"
    print(f"hookd: settings: {config or 'defaults'}; hooks: {settings.hooks}; {where}", file=sys.stderr)
    environment = {**os.environ, **({"HOOKD_CONFIG": str(config)} if config else {})}
    command = [sys.executable, "-m", "hookd.supervisor"]
    sys.stderr.flush()
    os.execve(sys.executable, command, environment)
