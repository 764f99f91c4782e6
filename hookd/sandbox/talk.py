"""
Talking to workers: frames out, frames in, and what an honest worker may say at which moment.

One request is in flight with a worker: what it is asked, it answers once; until then it may print and call tools.
Whatever else it says, a hook has taken it over. The pool decides what becomes of a worker; this only tells it.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from hookd import documents
from hookd.sandbox import wire
from hookd.sandbox.launcher import ANCILLARY_BYTES, sender
from hookd.sandbox.workers import End, Message, OnCall, RunEnded, State, Worker, note_hosted

ANSWERS: Mapping[str, str] = {"run": "done", "check": "checked"}
PRINT_BYTES = 131_072  # of one run: twice what an honest worker sends
RECEIVE_BYTES = 262_144


class Talk:
    """
    The channels of one process's workers.

    Args:
        on_ready: Called with a worker that has said that it is locked.
        on_deadline: Called with a worker whose time is over; it must not run on.
        on_violation: Called with a worker that no hook may go on to use, and what it did.
        on_end: Called with a worker whose end of the channel is closed: it is dead, or dying.
    """

    def __init__(
        self,
        *,
        on_ready: Callable[[Worker], None],
        on_deadline: Callable[[Worker], None],
        on_violation: Callable[[Worker, str], None],
        on_end: Callable[[Worker], None],
    ) -> None:
        self._on_ready = on_ready
        self._on_deadline = on_deadline
        self._on_violation = on_violation
        self._on_end = on_end
        self._received = memoryview(bytearray(RECEIVE_BYTES))  # allocating it anew for every frame costs 12 µs

    def begin(self) -> None:
        """
        Use the running loop from now on.
        """
        self._loop = asyncio.get_running_loop()

    def listen(self, worker: Worker) -> None:
        """
        Listen to *worker* from now on.
        """
        worker.channel.setblocking(False)
        worker.channel.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._loop.add_reader(worker.channel.fileno(), self.receive, worker)

    def hang_up(self, worker: Worker) -> None:
        """
        Listen to *worker* no more.
        """
        if worker.channel.fileno() >= 0:
            self._loop.remove_reader(worker.channel.fileno())
            self._loop.remove_writer(worker.channel.fileno())
            worker.channel.close()

    def tell(self, worker: Worker, messages: Iterable[Message]) -> None:
        """
        Send *messages*, none of which is answered.
        """
        messages = list(messages)
        note_hosted(worker, messages)
        self._send(worker, _frames(messages))

    async def ask(
        self, worker: Worker, messages: list[Message], deadline: float, on_call: OnCall | None
    ) -> tuple[Message, str]:
        """
        Send *messages*, the last of which is answered, and return the answer and what the hook printed.

        Args:
            on_call: Gets the tool calls that the hook makes meanwhile; without it a call is a violation.

        Raises:
            RunEnded: There was no answer at *deadline* (monotonic time), or the worker ended.
        """
        frames = _frames(messages)
        note_hosted(worker, messages)
        worker.asked, worker.asked_at = messages[-1]["t"], time.monotonic()
        worker.printed.clear()
        worker.printed_bytes = 0
        worker.on_call, worker.calls, worker.is_calling = on_call, 0, False
        worker.reply = self._loop.create_future()
        timer = self._loop.call_at(deadline, self._time_out, worker)
        try:
            self._send(worker, frames)
            answer = await worker.reply
        finally:
            timer.cancel()
            worker.reply = worker.on_call = None
        return answer, "".join(worker.printed)

    def end(self, worker: Worker, ended: RunEnded) -> None:
        """
        Tell whoever waits for an answer of *worker*, if anybody does, that there will be none.
        """
        if worker.reply and not worker.reply.done():
            worker.reply.set_exception(ended)

    def receive(self, worker: Worker) -> None:
        """
        Take what *worker* has sent so far.
        """
        try:
            size = worker.channel.recv_into(self._received) if worker.pid else self._meet(worker)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if not size:
            self._on_end(worker)
            return
        try:
            for body in worker.reader.feed(self._received[:size]):
                self._on_message(worker, wire.parse(body))
        except (wire.FrameError, ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
            detail = f"{type(error).__name__}: {error}"[:200]
            self._on_violation(worker, detail)
            self.end(worker, RunEnded(End.VIOLATION, detail, "".join(worker.printed)))

    def _meet(self, worker: Worker) -> int:
        """Receive the first words of *worker*, and its process id from the kernel: the zygote sees another one."""
        size, ancillary, _, _ = worker.channel.recvmsg_into([self._received], ANCILLARY_BYTES)
        worker.channel.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
        worker.pid = sender(ancillary)
        return size

    def _on_message(self, worker: Worker, message: Message) -> None:
        kind = message["t"]
        if kind == "print" and worker.reply:
            text = message["text"]
            if type(text) is not str or not text or worker.printed_bytes > PRINT_BYTES:
                raise wire.FrameError("more is printed than a worker ever sends")
            worker.printed_bytes += len(text)
            worker.printed.append(text)
        elif worker.reply and worker.reply.cancelled():
            pass  # nobody waits for it any more; the worker is about to be killed
        elif kind == "call" and worker.on_call and worker.reply and not worker.reply.done() and not worker.is_calling:
            wire.check_call(message, worker.calls + 1)
            worker.calls += 1
            worker.is_calling = True
            worker.on_call(message, partial(self._answer, worker, worker.reply))
        elif kind == ANSWERS.get(worker.asked) and worker.reply and not worker.reply.done() and not worker.is_calling:
            wire.check_answer(worker.asked, message)
            worker.reply.set_result(message)
        elif kind == "ready" and worker.state is State.STARTING:
            self._on_ready(worker)
        elif worker.state is not State.ENDING:
            raise wire.FrameError(f"a message {str(kind)[:20]!r} that nobody asked for")

    def _answer(self, worker: Worker, reply: "asyncio.Future[Message]", frame: bytes) -> None:
        """Send the answer to the call that *worker* waits for, if its run is still that of *reply*."""
        if worker.reply is reply and not reply.done() and worker.state is State.BUSY:
            worker.is_calling = False
            self._send(worker, frame)

    def _time_out(self, worker: Worker) -> None:
        self._on_deadline(worker)
        self.end(worker, RunEnded(End.TIMEOUT, "", "".join(worker.printed)))

    def _send(self, worker: Worker, data: bytes) -> None:
        try:
            sent = worker.channel.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the worker ended: the reading side learns of it, with its status
        if sent < len(data):
            worker.unsent += data[sent:]
            self._loop.add_writer(worker.channel.fileno(), self._on_writable, worker)

    def _on_writable(self, worker: Worker) -> None:
        try:
            sent = worker.channel.send(worker.unsent)
        except BlockingIOError:
            return
        except OSError:
            sent = len(worker.unsent)
        del worker.unsent[:sent]
        if not worker.unsent:
            self._loop.remove_writer(worker.channel.fileno())


def _frames(messages: Iterable[Message]) -> bytes:
    return b"".join([wire.frame(documents.dump(message)) for message in messages])
