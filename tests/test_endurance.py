"""
hookd stays small: at rest, and after very many runs.
"""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from tests.conftest import Server

PHONE = "process_client_phone"
RUNS, WARM_RUNS, BATCH = 50_000, 10_000, 50
GROWTH_KB = 4096  # of a process over 40,000 runs: 0.1 KB a run would show
IDLE_PSS_KB = 200 * 1024


def figure(pid: int, name: str, file: str) -> int:
    """Return the figure *name* of a process, in KB."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def largest(server: Server) -> dict[str, int]:
    """Return the resident memory of the largest HTTP process, and of the largest process of the sandbox."""
    pids = server.descendants()
    names = {pid: "worker" if b"zygote" in Path(f"/proc/{pid}/cmdline").read_bytes() else "http" for pid in pids}
    return {
        kind: max(figure(pid, "VmRSS", "status") for pid in pids if names[pid] == kind) for kind in ("http", "worker")
    }


def _read(replies: BinaryIO) -> bytes:
    """Return the body of the next reply."""
    size = 0
    while line := replies.readline().strip():
        name, _, value = line.partition(b": ")
        size = int(value) if name == b"content-length" else size
    return replies.read(size)


def test_many_runs_leave_the_memory_flat(serve: Callable[..., Server]) -> None:
    """
    50,000 runs in a row leave the memory of the HTTP process and of its workers where it was after 10,000.
    """
    text = f"""
import json

def {PHONE}(request, call, phones):
    seen = json.loads(json.dumps(request))
    ring = [seen]
    ring.append(ring)
    return {{"phone": phones.e164(call.client_number or request["phone"]) or "0"}}
"""
    server = serve({f"{PHONE}.py": text})
    call = {"channel": {"id": "1.1", "type": "incoming", "from": "89001234567"}, "pad": ["x" * 20] * 40}
    body = json.dumps({"phone": "89001234567", "call_full": call}).encode()
    head = f"POST /{PHONE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    sizes = []
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, timeout=30) as connection, connection.makefile("rb") as replies:
        for run in range(0, RUNS, BATCH):
            connection.sendall((head + body) * BATCH)
            for _ in range(BATCH):
                assert _read(replies) == b'{"data":{"phone":"+79001234567"},"state":"success"}'
            if run + BATCH in (WARM_RUNS, RUNS):
                sizes.append(largest(server))

    warm, last = sizes
    assert last["http"] - warm["http"] < GROWTH_KB, sizes
    assert last["worker"] - warm["worker"] < GROWTH_KB, sizes


def test_at_rest_a_plain_install_is_small(serve: Callable[..., Server]) -> None:
    """
    Two HTTP processes with their sandboxes take at most 200 MB together, shared pages counted once.
    """
    server = serve({f"{PHONE}.py": f"def {PHONE}(request):\n    return None\n"}, processes=2)
    server.post(PHONE, {"phone": "1"})

    total = sum(figure(pid, "Pss", "smaps_rollup") for pid in server.descendants())

    assert 0 < total <= IDLE_PSS_KB
