"""
Conversions of recordings: what comes out, what is refused, and that nothing is left of what did not work.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hookd.errors import ToolFailedError
from hookd.tools import Call, audio, rooted, shelf
from hookd.tools.records import Records
from tests.conftest import is_alive
from tests.recordings import LINKEDID, OLD_S, Box, probe, wait_for_ffmpeg, wait_until

pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")

MP3 = {"format": "mp3", "codec": "mp3", "rate": 16000, "channels": 1, "seconds": 2.1, "tags": {}}


def test_a_recording_becomes_mp3(box: Box, wav: bytes) -> None:
    """
    The result is an mp3 of the same sound, under the same name, on the shelf below the recordings, and alone there.
    """
    path = box.write(f"2023/11/15/in-79001234567-101-{LINKEDID}.wav", wav)

    made = box.convert(path)

    assert probe(made) == MP3
    assert (made.parent.parent.parent, made.name) == (box.root / "hookd", f"in-79001234567-101-{LINKEDID}.mp3")
    assert box.made() == [made.name]
    assert path.read_bytes() == wav


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("alaw.wav", ("-ar", "8000", "-c:a", "pcm_alaw")),
        ("ulaw.wav", ("-ar", "8000", "-c:a", "pcm_mulaw")),
        ("wav49.WAV", ("-ar", "8000", "-c:a", "libgsm_ms")),
        ("wide.wav", ("-ar", "16000", "-c:a", "pcm_s16le")),
        ("studio.wav", ("-ar", "48000", "-c:a", "pcm_s24le")),
        ("a.ogg", ("-ar", "8000", "-c:a", "libvorbis")),
        ("a.gsm", ("-ar", "8000", "-c:a", "libgsm")),
        ("a.ulaw", ("-ar", "8000", "-f", "mulaw")),
        ("a.alaw", ("-ar", "8000", "-f", "alaw")),
        ("a.sln", ("-ar", "8000", "-f", "s16le")),
        ("a.sln16", ("-ar", "16000", "-f", "s16le")),
        ("a.g722", ("-ar", "16000", "-c:a", "g722")),
    ],
)
def test_what_asterisk_writes_is_converted(
    box: Box, sounds: Callable[..., bytes], name: str, options: tuple[str, ...]
) -> None:
    """
    Every format that Asterisk and its relatives record in becomes mp3, as long as it was.
    """
    path = box.write(name, sounds(*options, name=name))

    found = probe(box.convert(path))

    assert abs(found.pop("seconds") - 2.0) < 0.25
    assert found == {key: value for key, value in MP3.items() if key != "seconds"}


def test_both_sides_of_a_call_stay_apart(box: Box, sounds: Callable[..., bytes]) -> None:
    """
    A stereo recording becomes a stereo mp3, with the bit rate that was asked for.
    """
    path = box.write("a.wav", sounds("-ar", "8000", channels=2))

    small, large = box.convert(path), box.convert(path, bitrate=128)

    assert (probe(small)["channels"], probe(large)["channels"]) == (2, 2)
    assert large.stat().st_size > 3 * small.stat().st_size


def test_nothing_that_is_written_in_the_recording_gets_out(box: Box, sounds: Callable[..., bytes]) -> None:
    """
    Titles, comments and software names of the source are not in the result.
    """
    said = ("-metadata", "title=Ivanov", "-metadata", "comment=79001234567")
    path = box.write("a.wav", sounds("-ar", "8000", *said))

    made = box.convert(path)

    assert b"Ivanov" in path.read_bytes()
    assert probe(made)["tags"] == {}
    assert not re.search(rb"Ivanov|79001234567|ID3|Lav[cf]\d", made.read_bytes())


def test_an_mp3_is_left_as_it_is(box: Box, sounds: Callable[..., bytes]) -> None:
    """
    What is an mp3 already, whatever its name, is the answer itself; so is a plain WAV that shall be one.
    """
    mp3 = box.write("a.mp3", sounds("-ar", "16000", name="b.mp3"))
    misnamed = box.write("b.wav", sounds("-ar", "16000", name="b.mp3"))
    plain = box.write("c.wav", sounds("-ar", "8000"))

    assert [box.convert(mp3), box.convert(misnamed), box.convert(plain, to="wav")] == [mp3, misnamed, plain]
    assert box.made() == []


@pytest.mark.parametrize("name", ["a.mp3", "a.gsm"])
def test_a_wav_can_be_made(box: Box, sounds: Callable[..., bytes], name: str) -> None:
    """
    For what plays no mp3 and no GSM there is WAV, with a header that says how long it is.
    """
    path = box.write(name, sounds("-ar", "8000", name=name))

    found = probe(box.convert(path, to="wav"))

    assert (found["codec"], found["rate"], found["channels"]) == ("pcm_s16le", 8000, 1)
    assert abs(found["seconds"] - 2.0) < 0.25


def test_a_conversion_is_made_once(box: Box, wav: bytes) -> None:
    """
    The second time the finished file is handed out, also by another process; it counts as new again.
    """
    path = box.write("a.wav", wav)
    first = box.convert(path)
    before = first.stat()
    os.utime(first, (1, 1))

    again = Path(Records(box.state).methods()["convert"].do(box.call("convert", path=str(path))))

    after = again.stat()
    assert (again, after.st_ino) == (first, before.st_ino)
    assert after.st_mtime > time.time() - 60


def test_another_recording_is_another_conversion(box: Box, wav: bytes, sounds: Callable[..., bytes]) -> None:
    """
    What depends on size, time, path and bit rate is never handed out for another one.
    """
    path = box.write("a.wav", wav)
    made = [box.convert(path), box.convert(path, bitrate=64)]
    made.append(box.convert(box.write("a.wav", wav, age_s=OLD_S + 1)))
    made.append(box.convert(box.write("a.wav", sounds("-ar", "8000", seconds=3.0))))
    made.append(box.convert(box.write("sub/a.wav", wav)))

    assert len(set(made)) == 5
    assert probe(made[3])["seconds"] == 3.1


def test_what_a_power_cut_left_is_no_conversion(box: Box, wav: bytes) -> None:
    """
    An empty file under the right name is replaced.
    """
    path = box.write("a.wav", wav)
    box.convert(path).write_bytes(b"")

    assert probe(box.convert(path)) == MP3


# Where a conversion may go, and who may read it.


def test_readers_of_the_recording_read_the_result(box: Box, wav: bytes) -> None:
    """
    Owner, group and rights are those of the recording and of its directory; nobody else gets to write.
    """
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    path = box.write("day/a.wav", wav)
    os.chown(path, 1234, 5678)
    path.chmod(0o660)
    os.chown(path.parent, 1234, 5679)
    path.parent.chmod(0o2770)

    made = box.convert(path)

    facts, above = made.stat(), made.parent.stat()
    assert (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)) == (1234, 5678, 0o640)
    assert (above.st_uid, above.st_gid, stat.S_IMODE(above.st_mode)) == (1234, 5679, 0o750)


def test_a_shelf_of_the_sites_own(tmp_path: Path, wav: bytes) -> None:
    """
    records_out names the directory; it has to be there, and the message says how to make it.
    """
    out = tmp_path / "out"
    box = Box(tmp_path, records_out=out)
    path = box.write("a.wav", wav)

    assert f"{out} (records_out of the site): No such file" in box.refusal("convert", path=str(path))
    out.mkdir()
    made = box.convert(path)

    assert (made.parent.parent.parent, probe(made)) == (out, MP3)
    assert box.ask("exists", path=str(made)) is True


def test_old_conversions_go(tmp_path: Path, wav: bytes) -> None:
    """
    Those of recordings older than records_days are deleted by the next conversion, but none that is new itself, and
    nothing that only happens to lie there.
    """
    box = Box(tmp_path, records_days=30)
    days = 86_400.0
    gone, fresh, young = (
        box.convert(box.write(f"{name}.wav", wav, age_s=age * days))
        for name, age in (("gone", 40), ("fresh", 40), ("young", 20))
    )
    for path in (gone, young):
        os.utime(path, (1, 1))
    foreign = [box.root / "hookd" / "2000-01-01" / "notes.txt", box.root / "hookd" / "old" / "a.mp3"]
    for path in foreign:
        path.parent.mkdir()
        path.write_text("mine")
    (box.root / "hookd" / "2000-01-02").symlink_to(young.parent.parent)
    (foreign[0].parent / "0123456789abcdef").symlink_to(young.parent)

    box.convert(box.write("new.wav", wav))

    assert [path.exists() for path in (gone, fresh, young, *foreign)] == [False, True, True, True, True]


def test_the_disk_is_not_filled(box: Box, wav: bytes, tmp_path: Path) -> None:
    """
    Where less would be left than new recordings need, nothing is converted.
    """
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    path = box.write("a.wav", wav)
    (box.root / "hookd").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(box.root / "hookd")], check=True)
    try:
        refusal = box.refusal("convert", path=str(path))
    finally:
        subprocess.run(["umount", str(box.root / "hookd")], check=True)

    assert refusal.endswith(
        "104857600 are kept free for new recordings. Make room, or set records_out to a directory on another disk."
    )


# What is no recording, or not where recordings are.


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("playlist.wav", b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"),
        ("concat.wav", b"ffconcat version 1.0\nfile /etc/passwd\n"),
        ("sdp.wav", b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n"),
        ("xml.mp3", b'<?xml version="1.0"?><MPD><BaseURL>http://127.0.0.1/</BaseURL></MPD>'),
        ("zeros.wav", bytes(100_000)),
        ("a.txt", b"hello"),
        ("elf.wav", b"\x7fELF" + bytes(100)),
        ("movie.mp3", b"\x00\x00\x00\x20ftypisom" + bytes(100)),
    ],
)
def test_what_is_no_recording_is_not_shown_to_ffmpeg(box: Box, name: str, data: bytes) -> None:
    """
    Its first bytes say what a file is, not its name; ffmpeg is never asked to guess.
    """
    path = box.write(name, data)

    refusal = box.refusal("convert", path=str(path))

    begins = f"records.convert: {name} is no recording: it begins with {data[:12]!r}."
    assert refusal == f"{begins} What can be converted: {audio.KNOWN}."
    assert box.made() == []


def header(channels: int = 1, rate: int = 8000, *, data: int, kind: int = 1, bits: int = 16) -> bytes:
    """The header of a WAV file that claims *data* bytes of samples."""
    block = channels * bits // 8
    facts = kind.to_bytes(2, "little") + channels.to_bytes(2, "little") + rate.to_bytes(4, "little")
    facts += (
        (rate * block & 0xFFFFFFFF).to_bytes(4, "little")
        + (block & 0xFFFF).to_bytes(2, "little")
        + bits.to_bytes(2, "little")
    )
    size = (data + 36 & 0xFFFFFFFF).to_bytes(4, "little")
    return b"RIFF" + size + b"WAVEfmt " + (16).to_bytes(4, "little") + facts + b"data" + data.to_bytes(4, "little")


@pytest.mark.parametrize("claimed", [0, 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_header_without_the_right_length_costs_no_sound(box: Box, wav: bytes, claimed: int) -> None:
    """
    A telephone system that was switched off left a wrong length in the header: what is there is converted.
    """
    path = box.write("a.wav", header(data=claimed) + wav[-32_000:])

    if claimed == 1:
        assert "could not convert" in box.refusal("convert", path=str(path))
    else:
        assert probe(box.convert(path))["seconds"] == 2.1


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("no-samples.wav", header(data=0), "there is no sound in no-samples.wav. Play it to find out."),
        ("half-a-header.wav", header(data=0)[:30], "could not convert half-a-header.wav: pipe:0: "),
        ("many-channels.wav", header(65_535, data=9) + bytes(99), "could not convert many-channels.wav: "),
        ("no-rate.wav", header(rate=0, data=9) + bytes(99), "could not convert no-rate.wav: "),
        ("video.wav", header(data=9, kind=0x10) + bytes(99), "could not convert video.wav: "),
        ("flac.wav", header(data=900, kind=0xF1AC) + b"fLaC" + bytes(900), "could not convert flac.wav: "),
        ("tag.mp3", b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + bytes(99), ""),
    ],
)
def test_a_damaged_recording_is_told_of(box: Box, name: str, data: bytes, what: str) -> None:
    """
    A header that makes no sense, or names what no telephone records in, is an error with ffmpeg's words; nothing stays.
    """
    path = box.write(name, data)

    refusal = box.refusal("convert", path=str(path), to="wav" if name.endswith("mp3") else "mp3")

    assert what in refusal
    assert box.made() == []


def test_a_result_has_a_limit(box: Box, wav: bytes) -> None:
    """
    A header that says that a second is long, before samples that make many of them, does not fill the disk.
    """
    head = bytearray(header(data=3_000_000))
    head[28:32] = (0x7FFFFFFF).to_bytes(4, "little")
    path = box.write("a.wav", bytes(head) + wav[-32_000:] * 90)

    refusal = box.refusal("convert", path=str(path), bitrate=160)

    assert "became longer than the 65562 bytes that the result of its size can have" in refusal
    assert box.made() == []


@pytest.mark.parametrize("kind", ["directory", "pipe", "socket", "nothing", "the root", "device"])
def test_what_is_no_file_is_not_opened(box: Box, kind: str) -> None:
    """
    A pipe does not block, a device is not read; each is named for what it is.
    """
    path = box.root / "a.wav"
    with contextlib.ExitStack() as stack:
        if kind == "directory":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            stack.enter_context(contextlib.chdir(box.root))  # its path is too long
            listener.bind("a.wav")
        elif kind == "device":
            if os.geteuid() != 0:
                pytest.skip("only root may make one")
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))

        asked = str(box.root if kind == "the root" else path)
        refusal = box.refusal("convert", path=asked)
        assert box.ask("exists", path=asked) is False

    expected = {
        "directory": "is a directory. A recording is a regular file.",
        "pipe": "is a named pipe. A recording is a regular file.",
        "socket": "cannot be opened: No such device or address.",
        "device": "is a device. A recording is a regular file.",
        "the root": "is a directory. A recording is a regular file.",
        "nothing": "Ask records.exists(path) first, or look for it: records.find(call.linkedid).",
    }
    assert expected[kind] in refusal


def test_an_empty_file_is_told_of(box: Box) -> None:
    """
    Nothing was recorded.
    """
    path = box.write("a.wav", b"")

    assert box.refusal("convert", path=str(path)) == "records.convert: a.wav is empty. Nothing was recorded."


@pytest.mark.parametrize(
    "asked",
    [
        "{outside}",
        "{root}/../secret.wav",
        "{root}/link.wav",
        "{root}/folder/secret.wav",
        "{root}x/a.wav",
        "/etc/passwd",
    ],
)
@pytest.mark.parametrize("method", ["exists", "convert"])
def test_nothing_outside_of_the_roots_is_touched(box: Box, wav: bytes, asked: str, method: str) -> None:
    """
    Dots, links, and directories whose name only begins alike lead out, and are told where to.
    """
    outside = box.root.parent / "secret.wav"
    outside.write_bytes(wav)
    (box.root / "link.wav").symlink_to(outside)
    (box.root / "folder").symlink_to(outside.parent)
    path = asked.format(outside=outside, root=box.root)

    refusal = box.refusal(method, path=path)

    assert f"records.{method}: {path}" in refusal
    assert f"is outside of the directories for recordings. They are {box.root} (records_roots of the site)." in refusal


@pytest.mark.parametrize("path", ["a.wav", "", "monitor/a.wav", "/tmp/a\0.wav", "file:/etc/passwd", "~/a.wav"])
def test_a_path_is_absolute(box: Box, path: str) -> None:
    """
    What is no absolute path is not guessed at.
    """
    with pytest.raises(ToolFailedError, match="is no absolute path"):
        rooted.place(path, [box.root], "records.exists")


def test_links_inside_of_the_roots_are_followed(tmp_path: Path, wav: bytes) -> None:
    """
    An archive on another disk, a root that is a link itself: what lies in some root may be named through any link.
    """
    box = Box(tmp_path, records_roots=(tmp_path / "spool", tmp_path / "archive"))
    (tmp_path / "spool").symlink_to(box.root)
    (tmp_path / "archive").mkdir()
    (box.root / "2022").symlink_to(tmp_path / "archive")
    box.write("2022/a.wav", wav)

    made = box.convert(tmp_path / "spool" / "2022" / "a.wav")
    plain = box.convert(tmp_path / "spool" / box.write("b.wav", wav).name)

    assert made.is_relative_to(tmp_path / "archive" / "hookd")
    assert plain.is_relative_to(tmp_path / "spool" / "hookd")


def test_a_link_that_appears_between_look_and_opening(box: Box, wav: bytes) -> None:
    """
    What a path leads to is decided once; a directory that is swapped for a link afterwards is not followed.
    """
    secrets_of_others = box.root.parent / "others"
    secrets_of_others.mkdir()
    (secrets_of_others / "a.wav").write_bytes(wav)
    path = box.write("day/a.wav", wav)
    place = rooted.place(str(path), [box.root], "records.convert")
    shutil.rmtree(path.parent)
    path.parent.symlink_to(secrets_of_others)

    with (
        pytest.raises(ToolFailedError, match="is swapped while it is opened"),
        rooted.recording(place, "records.convert"),
    ):
        pass
    with (
        pytest.raises(OSError, match=r"Not a directory|symbolic links"),
        rooted.directory(place.root, place.parts[:-1]),
    ):
        pass


def test_the_shelf_follows_no_link(box: Box, wav: bytes) -> None:
    """
    Whoever may write among the recordings cannot have hookd write elsewhere.
    """
    target = box.root.parent / "target"
    target.mkdir()
    (box.root / "hookd").symlink_to(target)
    path = box.write("a.wav", wav)

    refusal = box.refusal("convert", path=str(path))

    assert re.fullmatch(rf"records.convert: {box.root}/hookd/\S+ cannot be made: .* Look at {box.root}/hookd.", refusal)
    assert list(target.iterdir()) == []


def test_who_may_not_read_is_told_how_to(box: Box, wav: bytes) -> None:
    """
    The message names hookd's user, the group that may, and the command.
    """
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path = box.write("a.wav", wav)
    path.chmod(0)

    refusal = box.refusal("convert", path=str(path))

    assert f"hookd's user {rooted.user()} may not read {path}. Its directory belongs to the group" in refusal


# Recordings that are still being written, or change.


class Writer(threading.Thread):
    """Appends to a recording, the way a telephone system does, until it is told to close it."""

    def __init__(self, path: Path, data: bytes) -> None:
        super().__init__()
        self._path = path
        self._data = data
        self.is_open = threading.Event()
        self.done = threading.Event()
        self.written = 0

    def run(self) -> None:
        with self._path.open("ab") as file:
            while not self.done.wait(0.02) and self.written < 200:
                file.write(self._data)
                file.flush()
                self.written += 1
                self.is_open.set()

    def close(self) -> None:
        self.done.set()
        self.join()


@pytest.fixture
def writer(box: Box, wav: bytes) -> Iterator[Writer]:
    path = box.write("a.wav", header(data=0))
    thread = Writer(path, wav[-1600:])
    thread.start()
    thread.is_open.wait(10)
    yield thread
    thread.close()


def test_a_recording_is_converted_when_it_is_whole(box: Box, writer: Writer) -> None:
    """
    A recording that is being written is waited for, and all of it is converted.
    """
    timer = threading.Timer(1.0, writer.close)
    timer.start()

    made = box.convert(box.root / "a.wav")

    timer.join()
    assert abs(probe(made)["seconds"] - writer.written * 0.1) < 0.2


def test_a_recording_that_does_not_end_is_given_up(box: Box, writer: Writer) -> None:
    """
    The deadline comes first; the hook is told in time to go on without.
    """
    refusal = box.refusal("convert", path=str(box.root / "a.wav"), seconds=0.6)

    assert refusal == (
        "records.convert: the recording of a.wav was not over in time. "
        "Go on with the original: try: … except Exception: …"
    )
    assert box.made() == []


def test_an_open_file_is_not_whole_though_nothing_is_written(box: Box, wav: bytes) -> None:
    """
    Silence is buffered: as long as somebody has it open for writing, a recording is not whole, where the kernel tells.
    """
    path = box.write("a.wav", wav)

    with path.open("ab"):
        refusal = box.refusal("convert", path=str(path), seconds=0.5)
    made = box.convert(path)

    assert "the recording of a.wav was not over in time" in refusal
    assert probe(made) == MP3


def test_a_new_recording_is_given_a_moment(box: Box, wav: bytes) -> None:
    """
    One that was closed right now is looked at again before it counts as whole; a clock that is ahead does no harm.
    """
    now, ahead = box.write("now.wav", wav, age_s=0), box.write("ahead.wav", wav, age_s=-3600)

    assert [probe(box.convert(now)), probe(box.convert(ahead))] == [MP3, MP3]


def test_a_recording_that_changes_while_it_is_read_is_not_kept(box: Box, sounds: Callable[..., bytes]) -> None:
    """
    What was made of a half is thrown away, and the hook is told.
    """
    path = box.write("a.wav", sounds("-ar", "8000", seconds=600.0))
    thread = threading.Thread(target=_touch_when_converting, args=(box, path))
    thread.start()

    refusal = box.refusal("convert", path=str(path))

    thread.join()
    assert refusal == "records.convert: a.wav changed while it was converted. Ask again when it is whole."
    assert box.made() == []


def test_a_recording_that_is_replaced_while_it_is_read_stays_what_it_was(
    box: Box, wav: bytes, sounds: Callable[..., bytes]
) -> None:
    """
    ffmpeg reads the file that was opened, whatever takes its name; the next call converts the new one.
    """
    path = box.write("a.wav", sounds("-ar", "8000", seconds=600.0))
    swap = box.root.parent / "other.wav"
    swap.write_bytes(wav)
    os.utime(swap, (1_700_000_000, 1_700_000_000))
    thread = threading.Thread(target=lambda: (wait_for_ffmpeg(box), swap.rename(path)))
    thread.start()

    first = box.convert(path)

    thread.join()
    assert [round(probe(made)["seconds"]) for made in (first, box.convert(path))] == [600, 2]


def _touch_when_converting(box: Box, path: Path) -> None:
    wait_for_ffmpeg(box)
    os.utime(path)


# Deadlines, ends, turns.


def _in_thread(box: Box, path: Path, **arguments: Any) -> tuple[threading.Thread, list[str], Call]:
    """Begin a conversion in a thread; what it comes to is added to the list."""
    call = box.call("convert", path=str(path), **arguments)
    came: list[str] = []

    def work() -> None:
        try:
            came.append(box.methods["convert"].do(call))
        except ToolFailedError as error:
            came.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    return thread, came, call


@pytest.fixture
def long(box: Box, sounds: Callable[..., bytes]) -> Path:
    """A recording that takes seconds to convert: two hours."""
    second = sounds("-ar", "8000", "-c:a", "pcm_alaw")[-8000:]
    return box.write("long.wav", header(data=8000 * 7200, kind=6, bits=8) + second * 7200)


def test_at_the_deadline_ffmpeg_is_killed(box: Box, long: Path) -> None:
    """
    A conversion that takes too long leaves neither a process nor a file behind.
    """
    thread, came, _ = _in_thread(box, long, seconds=3.0)
    pid = wait_for_ffmpeg(box)
    thread.join()

    assert came == [
        "records.convert: the conversion of long.wav was not over in time. "
        "Go on with the original: try: … except Exception: …"
    ]
    assert (is_alive(pid), box.made()) == (False, [])


def test_a_call_that_is_given_up_ends_at_once(box: Box, long: Path) -> None:
    """
    When the run is over, ffmpeg does not outlive it; to give up again, later, does nothing.
    """
    thread, came, call = _in_thread(box, long)
    pid = wait_for_ffmpeg(box)

    call.abort()
    thread.join()
    call.abort()

    assert "was not over in time" in came[0]
    assert (is_alive(pid), box.made()) == (False, [])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_killed_ffmpeg_is_an_error(box: Box, long: Path, number: int) -> None:
    """
    Whoever kills it (the kernel, when memory runs out), the hook is told and no part of a file is handed out.
    """
    thread, came, _ = _in_thread(box, long)

    os.kill(wait_for_ffmpeg(box), number)
    thread.join()

    assert f"ffmpeg could not convert long.wav: killed by signal {int(number)}." in came[0]
    assert box.made() == []


def test_two_conversions_take_turns(box: Box, long: Path, wav: bytes) -> None:
    """
    On one machine one conversion runs at a time; the second waits for its turn within its own deadline.
    """
    thread, _, call = _in_thread(box, long)
    wait_for_ffmpeg(box)
    other = box.write("a.wav", wav)

    refusal = box.refusal("convert", path=str(other), seconds=0.4)
    call.abort()
    thread.join()

    assert "another conversion runs: the wait for its end was not over in time" in refusal
    assert probe(box.convert(other)) == MP3


def test_a_recording_that_two_want_is_converted_once(box: Box, sounds: Callable[..., bytes]) -> None:
    """
    The second one finds what the first one has made while it waited.
    """
    path = box.write("a.wav", sounds("-ar", "8000", seconds=600.0))

    began = [_in_thread(box, path) for _ in range(3)]
    for thread, _, _ in began:
        thread.join()

    assert len({came[0] for _, came, _ in began}) == 1
    assert box.made() == ["a.mp3"]


HELD = """
import sys
from pathlib import Path
from tests.recordings import Box

Box(Path(sys.argv[1])).convert(Path(sys.argv[2]))
"""


def test_ffmpeg_dies_with_hookd(box: Box, sounds: Callable[..., bytes]) -> None:
    """
    When hookd is killed in the middle of a conversion ffmpeg goes too, and the next conversion removes what it left.
    """
    long = box.write("long.wav", sounds("-ar", "8000", seconds=900.0))
    command = [sys.executable, "-c", HELD, str(box.root.parent), str(long)]
    hookd = subprocess.Popen(command, cwd=Path(__file__).parent.parent)
    ffmpeg = wait_for_ffmpeg(box, hookd.pid)
    left = next((box.root / "hookd").rglob(".part-*"))

    hookd.kill()
    hookd.wait()

    wait_until(lambda: not is_alive(ffmpeg))
    assert left.exists()
    made = box.convert(long)
    assert (made.parent, box.made()) == (left.parent, ["long.mp3"])


# What an ordinary user may not do; root may.

ORDINARY = pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")


@ORDINARY
def test_a_shelf_that_cannot_be_made_is_told_with_the_command(box: Box, wav: bytes) -> None:
    """
    Where hookd may not write among the recordings, the message has the one line that gives it a place.
    """
    path = box.write("a.wav", wav)
    box.root.chmod(0o555)

    refusal = box.refusal("convert", path=str(path))

    box.root.chmod(0o755)
    place = box.root / "hookd"
    user, owners = rooted.user(), rooted.group(box.root.stat().st_gid)
    assert refusal == (
        f"records.convert: hookd's user {user} may not write in {place}. "
        f"install -d -o {user} -g {owners} -m 0755 {place}"
    )


@ORDINARY
@pytest.mark.parametrize(("mode", "is_shut_out"), [(0o640, True), (0o644, False)])
def test_nobody_who_reads_the_recording_is_shut_out(tmp_path: Path, mode: int, is_shut_out: bool) -> None:
    """
    A group that hookd's user may not give files to is an error, unless everybody may read the recording.
    """
    like = os.stat_result((stat.S_IFREG | mode, 0, 0, 1, 0, 0, 0, 0, 0, 0))
    fd = os.open(tmp_path / "a.mp3", os.O_RDWR | os.O_CREAT, 0o600)

    with contextlib.ExitStack() as stack:
        stack.callback(os.close, fd)
        if is_shut_out:
            told = f"user {rooted.user()} may not give the result to the group root, as the recording is"
            stack.enter_context(pytest.raises(ToolFailedError, match=told))
        shelf.hand_over(fd, like, "records.convert")
    assert stat.S_IMODE((tmp_path / "a.mp3").stat().st_mode) == mode
