"""
Installed from a wheel, hookd has its schemas and examples with it, and works away from the repository.
"""

import configparser
import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT


def test_every_package_is_installed() -> None:
    """
    The packages in setup.cfg are the folders of the code, and those that are mapped into it.
    """
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    named = set(config["options"]["packages"].split())
    folders = {str(path.parent.relative_to(ROOT)).replace("/", ".") for path in (ROOT / "hookd").rglob("__init__.py")}

    assert named == folders | {"hookd.examples", "hookd.itgrix", "hookd.schemas"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of a new environment with hookd's wheel in it, and what it needs from that of the tests."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(directory), str(ROOT)]
    subprocess.run(build, check=True, timeout=300)
    [wheel] = directory.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory / "venv")], check=True, timeout=60)
    python = directory / "venv" / "bin" / "python"
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(subprocess.run([python, "-c", query], capture_output=True, text=True, check=True).stdout.strip())
    zipfile.ZipFile(wheel).extractall(packages)
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def hookd(python: Path, directory: Path, *arguments: str) -> str:
    command = [str(python), "-m", "hookd", *arguments]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def test_a_wheel_works_by_itself(installed: Path, tmp_path: Path) -> None:
    """
    A directory that the installed command made can be checked, tested and run; nothing of the repository is used.
    """
    ask = [str(installed), "-c", "import hookd; print(hookd.__file__)"]
    where = subprocess.run(ask, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.strip()
    assert Path(where).is_relative_to(installed.parent.parent)

    hookd(installed, tmp_path, "init", "pbx")
    hookd(installed, tmp_path / "pbx", "check")
    hookd(installed, tmp_path / "pbx", "test")
    run = json.loads(hookd(installed, tmp_path / "pbx", "run", "process_client_phone", "--format", "json"))

    assert (run["outcome"], run["error"]) == ("unchanged", None)


def test_a_wheel_carries_schemas_examples_and_the_bridge(installed: Path) -> None:
    """
    The contract, the example hooks and the PHP file are there, all of them.
    """
    [package] = installed.parent.parent.rglob("hookd/__init__.py")

    for folder, name in (("schemas", "schemas"), ("hooks", "examples"), ("deploy/itgrix", "itgrix")):
        files = [path for path in (ROOT / folder).rglob("*.*") if path.suffix != ".pyc"]
        there = {path.relative_to(ROOT / folder) for path in files}
        assert {path.relative_to(package.parent / name) for path in (package.parent / name).rglob("*.*")} == there
