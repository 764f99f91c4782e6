"""
A copy of this interpreter, with its packages, hookd and these tests, that every user of the machine may read.

A checkout or an interpreter below /root is closed to other users, and the zygote is exec'd by whoever hookd runs as. A
copy needs no privilege and no change to the original, unlike an ACL or a bind mount, and works the same for a system
Python, a pyenv and a container's.
"""

import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
# What only builds, checks or formats, and is large.
IDLE = """
    test tests idlelib ensurepip lib2to3 tkinter config-* site-packages dist-packages __editable__*
    pip setuptools pkg_resources mypy* *__mypyc* ruff* hypothesis pytest _pytest pygments
    uvloop gunicorn werkzeug geodata carrierdata
"""


@dataclass(frozen=True, slots=True)
class Python:
    """
    A copied interpreter.

    Attributes:
        path: Its executable.
        directory: Where `-m tests.raw.suite` is found.
        environment: What its process needs to find its own library.
    """

    path: Path
    directory: Path
    environment: dict[str, str]


def copy(directory: Path) -> Python:
    """
    Copy what runs this test to *directory*, which is made readable to all.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = directory / "lib" / version
    packages = library / "site-packages"
    (directory / "bin").mkdir()
    executable = shutil.copy2(os.path.realpath(sys.executable), directory / "bin" / version)
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=shutil.ignore_patterns(*IDLE.split()))
    shutil.copytree(sysconfig.get_path("purelib"), packages, ignore=shutil.ignore_patterns(*IDLE.split()))
    shutil.copytree(ROOT / "hookd", packages / "hookd", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("raw", "attacks", "raw_attacks"):
        shutil.copytree(ROOT / "tests" / name, directory / "tests" / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "tests" / "__init__.py", directory / "tests")
    shared = [Path(sys.base_prefix, "lib", name) for name in os.listdir(Path(sys.base_prefix, "lib"))]
    for path in shared:
        if path.name.startswith("libpython") and path.suffix != ".a":
            shutil.copy2(path, directory / "lib")
    for path in (directory, *directory.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    return Python(Path(executable), directory, {"LD_LIBRARY_PATH": str(directory / "lib")})
