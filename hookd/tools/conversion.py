"""
One conversion: wait until the recording is whole, have ffmpeg read it in a process without rights, keep the result.

ffmpeg gets two open descriptors and no path (`sandbox.confined` says what it may do). One conversion runs at a time on
a machine, whichever process of hookd does it: calls are being recorded there. Whatever goes wrong leaves no file.
"""

import contextlib
import fcntl
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from hookd.errors import ToolFailedError
from hookd.sandbox import confined
from hookd.tools import audio, shelf
from hookd.tools.audio import Format
from hookd.tools.patience import Patience
from hookd.tools.rooted import Recording
from hookd.tools.shelf import Slot, Wanted

PROGRAM = "ffmpeg"
PATH = "/usr/local/bin:/usr/bin:/bin"
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": PATH}  # nothing of ours
LOCK_NAME = "records.lock"  # in the state directory

LOOK_S = 0.05  # between two looks at a lock that another process has, or at a recording
# After the last writer has closed it: whatever mixes or moves recordings may open it again.
CLOSED_S = 0.3
# Without knowing whether it is being written. Asterisk writes 32 KB at a time, which is 2 s of sound.
QUIET_S = 3.0

SAID_BYTES = 4096  # of ffmpeg's last words
SHOWN_CHARACTERS = 200

log = structlog.get_logger("hookd.tools")


def convert(recording: Recording, wanted: Wanted, *, lock: Path, call: str, patience: Patience) -> Path:
    """
    Return the path of what *recording* is as *wanted*; it is made if it is not there yet.

    Args:
        lock: File that one conversion at a time holds.
        call: Name of the call, for messages.

    Raises:
        ToolFailedError: It cannot be converted, or not in time; says why.
    """
    facts = _settled(recording, call, patience)
    source = _identify(recording, call)
    if source.is_final == wanted.target:
        return Path(recording.place.asked)
    slot = shelf.slot(recording, facts, wanted)
    if shelf.is_ready(slot):
        return slot.path
    with _turn(lock, call, patience):
        if not shelf.is_ready(slot):  # somebody else may just have made it
            _make(_Task(recording, facts, source, wanted, call, patience), slot)
            shelf.sweep(slot, wanted.days)
    return slot.path


@dataclass(frozen=True, slots=True)
class _Task:
    """
    What is being converted.

    Attributes:
        facts: About the recording when it was whole; another size or time means that it is not.
    """

    recording: Recording
    facts: os.stat_result
    source: Format
    wanted: Wanted
    call: str
    patience: Patience

    @property
    def most_bytes(self) -> int:
        """How long the result can be."""
        return audio.result_bytes(self.source, self.facts.st_size, self.wanted.target, self.wanted.bitrate)


def _identify(recording: Recording, call: str) -> Format:
    head = recording.head(audio.HEAD_BYTES)
    found = audio.identify(head, recording.name)
    if found is None:
        start = head[:12]
        begins = f"begins with {start!r}" if start else "is empty"
        raise ToolFailedError(
            f"{call}: {recording.name} is no recording: it {begins}.", f"What can be converted: {audio.KNOWN}."
        )
    return found


def _settled(recording: Recording, call: str, patience: Patience) -> os.stat_result:
    """Wait until *recording* is written; return the facts that it then has."""
    seen, since = recording.facts(), time.monotonic()
    while True:
        written = _is_written(recording.fd)
        # By its own time, unless that is in the future.
        quiet_s = max(time.time() - seen.st_mtime, time.monotonic() - since)
        facts = recording.facts()
        if _stamp(facts) != _stamp(seen):
            seen, since = facts, time.monotonic()
        elif not written and quiet_s >= (CLOSED_S if written is False else QUIET_S):
            break
        patience.wait(f"the recording of {recording.name}", seconds=LOOK_S)
    if not seen.st_size:
        raise ToolFailedError(f"{call}: {recording.name} is empty.", "Nothing was recorded.")
    return seen


def _is_written(fd: int) -> bool | None:
    """
    Whether somebody has the file *fd* open for writing; None where the kernel does not tell.

    It grants a lease for reading only on a file that nobody writes (fcntl(2)), and only to its owner or root. Whoever
    opens it for writing in the microseconds until the lease is given back waits so long, and we get SIGURG, which is
    ignored unless somebody asks for it; the usual SIGIO would end this process.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return None
    with contextlib.suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


@contextlib.contextmanager
def _turn(lock: Path, call: str, patience: Patience) -> Iterator[None]:
    """Wait for one's turn: the only one on the machine."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ToolFailedError(
            f"{call}: {lock} cannot be opened: {error.strerror}.", "hookd's user must own its state directory."
        ) from error
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                patience.wait("another conversion runs: the wait for its end", seconds=LOOK_S)
        yield
    finally:
        os.close(fd)


def _make(task: _Task, slot: Slot) -> None:
    started = time.monotonic()
    with shelf.opened(slot, task.recording, task.call) as place:
        _check_room(place.free_bytes(), task, slot)
        try:
            with place.partial() as (name, fd):
                _run(task, fd)
                _check(task, fd)
                shelf.hand_over(fd, task.facts, task.call)
                place.publish(name)
                size = os.fstat(fd).st_size
        except OSError as error:
            raise ToolFailedError(
                f"{task.call}: nothing can be written in {slot.shelf}: {error.strerror}.", "Look at its disk."
            ) from error
    facts = {"to": task.wanted.target, "bytes_before": task.facts.st_size, "bytes": size}
    log.info("recording_converted", **facts, seconds=round(time.monotonic() - started, 3))


def _check_room(free: int, task: _Task, slot: Slot) -> None:
    if free < task.most_bytes + shelf.RESERVE_BYTES:
        raise ToolFailedError(
            f"{task.call}: the disk of {slot.shelf} has {free} bytes left; the result takes up to {task.most_bytes}, "
            f"and {shelf.RESERVE_BYTES} are kept free for new recordings.",
            "Make room, or set records_out to a directory on another disk.",
        )


def _run(task: _Task, result: int) -> None:
    """Have ffmpeg convert the recording into the file *result*."""
    program = shutil.which(PROGRAM, path=PATH)
    if program is None:
        raise ToolFailedError(f"{task.call}: {PROGRAM} is not installed.", f"apt-get install {PROGRAM}")
    numbers = (os.getpid(), math.ceil(task.patience.left_s) + 1, task.most_bytes)
    launcher = [sys.executable, "-I", "-B", "-m", confined.__name__, *map(str, numbers)]
    os.lseek(task.recording.fd, 0, os.SEEK_SET)
    process = subprocess.Popen(
        [*launcher, program, *audio.arguments(task.source, task.wanted.target, task.wanted.bitrate)],
        stdin=task.recording.fd,
        stdout=result,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        cwd="/",
        start_new_session=True,
    )
    try:
        said = _listen(process, f"the conversion of {task.recording.name}", task.patience)
    finally:
        # It has not been waited for yet, so that its number can be nobody else's.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
        if process.stderr:
            process.stderr.close()
    _judge(status, said, task)


def _listen(process: "subprocess.Popen[bytes]", what: str, patience: Patience) -> str:
    """Wait until *process* has ended; return its last words on standard error."""
    assert process.stderr is not None
    ended = os.pidfd_open(process.pid)
    heard = [process.stderr.fileno()]
    said = b""
    try:
        while True:
            ready = patience.wait(what, ended, *heard)
            if ready != [ended]:
                words = os.read(heard[0], SAID_BYTES)
                said = (said + words)[-SAID_BYTES:]
                if not words:
                    heard.clear()  # closed
            else:
                return said.decode(errors="replace").strip()
    finally:
        os.close(ended)


def _judge(status: int, said: str, task: _Task) -> None:
    """Raise what the end of ffmpeg means, unless it is success."""
    last = said.rpartition("\n")[2].strip()[:SHOWN_CHARACTERS]
    name = task.recording.name
    if status == confined.REFUSED:
        raise ToolFailedError(
            f"{task.call}: {PROGRAM} cannot be confined on this machine: {last}.", "Nothing is converted without."
        )
    if status == -signal.SIGXFSZ:
        raise ToolFailedError(
            f"{task.call}: {name} became longer than the {task.most_bytes} bytes that the result of its size can have.",
            "Its header says something else than what follows: look at it.",
        )
    # ffmpeg ends with 0 when the disk is full at the very end, but it has named the file.
    if status != 0 or audio.OUTPUT in said:
        how = last or (f"killed by signal {-status}" if status < 0 else f"exit code {status}")
        raise ToolFailedError(
            f"{task.call}: {PROGRAM} could not convert {name}: {how}.", "Is it damaged? Play it to find out."
        )


def _check(task: _Task, result: int) -> None:
    name = task.recording.name
    if _stamp(task.recording.facts()) != _stamp(task.facts):
        raise ToolFailedError(f"{task.call}: {name} changed while it was converted.", "Ask again when it is whole.")
    head = os.pread(result, audio.HEAD_BYTES, 0)
    found = audio.identify(head, f"result.{task.wanted.target}")
    if len(head) < audio.LEAST_BYTES or found is None or found.is_final != task.wanted.target:
        raise ToolFailedError(f"{task.call}: there is no sound in {name}.", "Play it to find out.")


def _stamp(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_size, facts.st_mtime_ns
