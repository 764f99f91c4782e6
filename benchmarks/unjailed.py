"""
hookd without its jail, for comparison: `python -I -B benchmarks/unjailed.py …`.

With two numbers it is a zygote whose workers are nothing but processes with the language layer; with hookd's own
arguments it is hookd with such zygotes.
"""

import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ZYGOTE = (sys.executable, "-I", "-B", str(Path(__file__).resolve()))


def main() -> None:
    """Be a zygote, or hookd."""
    if sys.argv[1:] and all(argument.isdecimal() for argument in sys.argv[1:]):
        _be_zygote()
    else:
        _be_hookd()


def _be_zygote() -> None:
    from hookd.sandbox import jail, zygote
    from hookd.sandbox.jail import namespaces

    def lock(prepared: jail.Lock, layers: Collection[str] = jail.LAYERS) -> dict[str, str]:
        return dict.fromkeys(layers, "left out")

    reasons = dict.fromkeys((*namespaces.LAYERS, "cgroup"), "left out")
    jail.lock = lock
    namespaces.enter = lambda: dict(reasons)
    namespaces.give_up_rights = lambda uid, entered: {name: reasons[name] for name in namespaces.LAYERS}
    zygote.main()


def _be_hookd() -> None:
    from hookd.sandbox.pool import Pool

    defaults: Any = Pool.__init__.__kwdefaults__
    defaults["zygote"] = ZYGOTE
    if sys.argv[1] != "serve":
        from hookd import cli

        sys.exit(cli.main())
    from gunicorn.app import wsgiapp  # type: ignore[import-untyped]

    # In this process: what `hookd serve` starts would know nothing of the line above.
    os.environ["HOOKD_CONFIG"] = sys.argv[-1]
    sys.argv = ["gunicorn", "--config", str(ROOT / "gunicorn.conf.py")]
    wsgiapp.run(prog="gunicorn")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
