"""
hookd without its jail, for comparison: `python -I -B benchmarks/unjailed.py …`.

With two numbers it is a zygote whose workers are nothing but processes with the language layer; with hookd's own
arguments it is hookd with such zygotes.
"""

import sys
from collections.abc import Collection
from functools import partial
from pathlib import Path

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
    from hookd import cli, service
    from hookd.sandbox.pool import Pool

    service.Pool = partial(Pool, zygote=ZYGOTE)  # type: ignore[assignment, attr-defined]
    sys.exit(cli.main())


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
