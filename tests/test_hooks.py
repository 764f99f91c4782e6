"""
Hook files: found, read with suspicion, reloaded within a second, however they are saved.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hookd.errors import LoadError
from hookd.hook_settings import unread_settings
from hookd.hooks import Hook, Snapshot
from hookd.sources import MAX_SOURCE_BYTES, read_source
from tests.conftest import Server

PHONE = "process_client_phone"
REQUEST = {"phone": "1"}


def text(value: str) -> str:
    return f"def {PHONE}(request):\n    return {{'phone': '{value}'}}\n"


def says(server: Server, value: str) -> Callable[[], bool]:
    return lambda: bool(server.post(PHONE, REQUEST).json()["data"] == {"phone": value})


def test_every_way_of_saving_is_seen(serve: Callable[..., Server], tmp_path: Path) -> None:
    """
    Written in place, renamed over, same size in the same second, swapped behind a link: each is in force in a moment.
    """
    server = serve({f"{PHONE}.py": text("a")})
    path = server.directory / "hooks" / f"{PHONE}.py"
    assert says(server, "a")()

    path.write_text(text("b"))
    server.wait(says(server, "b"), "writing in place", 5)

    server.write(f"{PHONE}.py", text("c"))
    server.wait(says(server, "c"), "a rename", 5)

    facts = path.stat()
    path.write_text(text("d"))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    server.wait(says(server, "d"), "a save that keeps size and time", 5)

    mounted = tmp_path / "mounted"
    for version in ("e", "f"):
        (mounted / version).mkdir(parents=True)
        (mounted / version / "hook.py").write_text(text(version))
    (mounted / "current").symlink_to("e")
    path.unlink()
    path.symlink_to(mounted / "current" / "hook.py")
    server.wait(says(server, "e"), "a link", 5)
    (mounted / "next").symlink_to("f")
    (mounted / "next").rename(mounted / "current")
    server.wait(says(server, "f"), "a swapped directory", 5)


def test_a_lib_file_is_part_of_the_hook(serve: Callable[..., Server]) -> None:
    """
    A change of a lib file reloads the hooks that use it, and a broken one breaks them, not the others.
    """
    server = serve(
        {
            "lib/numbers.py": "def tail(number):\n    return number[-1:]\n",
            f"{PHONE}.py": f"from lib.numbers import tail\ndef {PHONE}(request):\n    return {{'phone': tail('42')}}\n",
            "process_user_phone.py": "def process_user_phone(request):\n    return {'phone': 'x'}\n",
        }
    )
    assert says(server, "2")()

    server.write("lib/numbers.py", "def tail(number):\n    return number[:1]\n")
    server.wait(says(server, "4"), "the lib's change", 5)
    server.write("lib/numbers.py", "def tail(number:\n")
    server.wait(lambda: PHONE in server.get("readyz").json()["sites"]["default"]["broken"], "the notice", 5)

    told = server.get("readyz").json()["sites"]["default"]
    assert list(told["broken"]) == [PHONE]
    assert told["broken"][PHONE][0].startswith("lib/numbers.py:1: ")
    assert says(server, "4")()
    assert server.post("process_user_phone", REQUEST).json()["data"] == {"phone": "x"}


def test_settings_are_live_and_a_broken_edit_changes_nothing(serve: Callable[..., Server]) -> None:
    """
    settings.toml counts at the next run: the hook's own table over [all]; one that is no TOML is told and ignored.
    """
    server = serve(
        {
            f"{PHONE}.py": f"def {PHONE}(request, settings):\n    return {{'phone': settings['a'] + settings['b']}}\n",
            "settings.toml": f"[all]\na = '1'\nb = '1'\n[{PHONE}]\nb = '2'\n",
        }
    )
    assert says(server, "12")()

    server.write("settings.toml", f"[all]\na = '3'\n[{PHONE}]\nb = '4'\n")
    server.wait(says(server, "34"), "the settings", 5)
    server.write("settings.toml", "[all\n")
    server.wait(lambda: server.get("readyz").json()["sites"]["default"]["problems"], "the notice", 5)

    assert server.get("readyz").json()["sites"]["default"]["problems"][0].startswith("settings.toml: is no TOML: ")
    assert says(server, "34")()


def test_a_setting_that_is_not_there_is_told_by_name(serve: Callable[..., Server]) -> None:
    """
    The error of a missing setting says where to write it.
    """
    server = serve(
        {
            f"{PHONE}.py": f"def {PHONE}(request, settings):\n    return {{'phone': settings['prefx']}}\n",
            "settings.toml": f"[{PHONE}]\nprefix = '8'\n",
        }
    )

    run = server.explain(PHONE, REQUEST)

    assert (run["reason"], run["error"]["file"], run["error"]["line"]) == ("error", f"{PHONE}.py", 2)
    assert "settings has no key 'prefx'" in run["error"]["message"]
    assert f"[{PHONE}]" in run["error"]["remedy"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "proces_client_phone.py",
            "is no point. A hook's file has its point's name; did you mean process_client_phone?",
        ),
        ("get_updated_entity_fields.py", "is an old name. Call the file and its function customize_entity."),
    ],
)
def test_files_that_are_no_hooks_are_told(serve: Callable[..., Server], name: str, told: str) -> None:
    """
    A misspelt file name is never silently ignored.
    """
    server = serve({name: text("x")})

    [problem] = server.get("readyz").json()["sites"]["default"]["problems"]

    assert told in problem


BAD_FILES = [
    (b"x = 1\n# \xff\n", 2, "is not UTF-8 here."),
    ("a = 1\nb = '\u202e'\n".encode(), 2, "holds the character U+202E, which no editor shows."),
    (b"a = 1\n\n\x00", 3, "holds the character U+0000, which no editor shows."),
    (b"#" * (MAX_SOURCE_BYTES + 1), 0, f"is longer than {MAX_SOURCE_BYTES} bytes."),
]


@pytest.mark.parametrize(("data", "line", "message"), BAD_FILES, ids=[message for _, _, message in BAD_FILES])
def test_suspicious_text_is_refused(tmp_path: Path, data: bytes, line: int, message: str) -> None:
    """
    What a reader cannot see, and what the compiler would choke on, is no hook.
    """
    (tmp_path / "x.py").write_bytes(data)

    with pytest.raises(LoadError) as caught:
        read_source(tmp_path, "x.py")

    [problem] = caught.value.problems
    assert (problem.file, problem.line, problem.message) == ("x.py", line, message)
    assert problem.remedy


def test_files_that_anybody_may_write_are_refused(tmp_path: Path) -> None:
    """
    A world-writable hook could be anybody's; neither it, a directory nor a FIFO is read.
    """
    (tmp_path / "open.py").write_text("x = 1\n")
    (tmp_path / "open.py").chmod(0o666)
    os.mkfifo(tmp_path / "fifo.py")
    (tmp_path / "folder.py").mkdir()

    for name, message in (
        ("open.py", "everybody on this machine may write it."),
        ("fifo.py", "this is not a regular file."),
        ("folder.py", "this is not a regular file."),
        ("gone.py", "cannot be read: No such file or directory."),
    ):
        with pytest.raises(LoadError) as caught:
            read_source(tmp_path, name)
        assert caught.value.problems[0].message == message


def test_reads_what_editors_write(tmp_path: Path) -> None:
    """
    A byte order mark and Windows line ends are no reason to refuse a file.
    """
    (tmp_path / "x.py").write_bytes(b"\xef\xbb\xbfa = 1\r\nb = '\xd1\x8f'\t# \xe2\x9c\x93\r\n")

    assert read_source(tmp_path, "x.py") == "a = 1\nb = 'я'\t# ✓\n"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ('settings.get("prefix")', ["[x] prefx is read nowhere in x.py; did you mean prefix?"]),
        ("settings['prefx']", []),
        ("for key in settings.items(): pass", []),
        ("key in settings", []),
        ("numbers.lookup(settings)", ["[x] prefx is read nowhere in x.py."]),
    ],
)
def test_a_misspelt_setting_is_told(source: str, told: list[str]) -> None:
    """
    A key that no hook reads is warned of, with the name that was meant; keys for all hooks, and those that a lib file
    reads, are not.
    """
    hook = Hook("point", "x", "x.py", source, {"numbers": "settings['deep']"}, "")
    tables = {"all": {"common": 1}, "x": {"common": 1, "prefx": 8, "deep": 1}}

    found = unread_settings(hook, Snapshot(settings=tables))

    assert [problem.message for problem in found] == told
