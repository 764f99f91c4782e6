"""
A bounded number of threads for work that blocks.

Not concurrent.futures: it waits at exit for every thread it has, however long a name server keeps one.
"""

import queue
import threading
from collections.abc import Callable

import structlog

Job = Callable[[], None]

log = structlog.get_logger("hookd.tools")


class Threads:
    """
    At most *most* threads, begun when there is work for them; more work waits in order.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._is_closed = False

    def submit(self, job: Job) -> None:
        """
        Have *job* done in a thread; what it raises is logged.
        """
        with self._lock:
            if self._is_closed:
                return
            if self._idle:
                self._idle -= 1
            elif len(self._threads) < self._most:
                self._begin()
            self._jobs.put(job)

    def close(self, patience_s: float = 1.0) -> None:
        """
        End the threads that have nothing to do, and wait a moment for the others; what hangs is left alone.
        """
        with self._lock:
            self._is_closed = True
            threads, self._threads = self._threads, []
        for _ in threads:
            self._jobs.put(None)
        for thread in threads:
            thread.join(patience_s / len(threads))

    def _begin(self) -> None:
        thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception:
                log.exception("tool_thread_failed", thread=threading.current_thread().name)
            with self._lock:
                if self._jobs.empty():
                    self._idle += 1
