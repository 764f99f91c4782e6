"""
Notes of how jobs stand, on their way into the inbox: written together, since each transaction may hold up somebody who
promises a job.
"""

import threading

from hookd.consumer.engine import Interrupted
from hookd.jobs import Jobs, Note

LOOK_S = 0.5  # between two looks whether hookd is stopping


class Notes:
    """
    What is to be noted; any thread may call the methods, one at a time `write`.
    """

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._lock = threading.Lock()
        self._notes: list[Note] = []
        self._waiting: list[threading.Event] = []
        self._is_closed = False

    def add(self, note: Note) -> None:
        """
        Have *note* written soon.
        """
        with self._lock:
            self._notes.append(note)

    def write(self) -> None:
        """
        Write what there is; what cannot be written is kept.

        Raises:
            StorageError: The inbox does not take it.
        """
        with self._lock:
            notes, self._notes = self._notes, []
            waiting, self._waiting = self._waiting, []
        try:
            if notes:
                self._jobs.note(notes)
            if waiting:
                self._jobs.flush()
        except BaseException:
            with self._lock:
                self._notes = notes + self._notes
                self._waiting += waiting
            raise
        for written in waiting:
            written.set()

    def keep(self) -> None:
        """
        Wait until all that was added before is written, and on the disk.

        Raises:
            Interrupted: hookd is stopping, and it is not.
        """
        written = threading.Event()
        with self._lock:
            self._waiting.append(written)
        while not written.wait(LOOK_S):
            if self._is_closed:
                raise Interrupted

    def close(self) -> None:
        """Let nobody wait any more."""
        self._is_closed = True
