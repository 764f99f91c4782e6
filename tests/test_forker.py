"""
The process that forks workers, with workers that a hook has taken over: what it tells the broker of their ends.
"""

import json
import subprocess
import sys

SECONDS = 60.0

# A broker in small, a Forker in a child of it, and workers that do, once locked, what the broker's first byte says.
SOURCE = """
import json, os, signal, socket
from hookd.sandbox import forker, jail

def hostile(fd, nothing, parent, prepared, layers):
    what = os.read(fd, 1)
    jail.lock(prepared, layers)
    if what == b"s":
        socket.socket()
    if what == b"k":
        signal.raise_signal(signal.SIGKILL)
    while True:
        pass

ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
child = os.fork()
if child == 0:
    ours.close()
    jail.not_dumpable()
    reading, writing = os.pipe2(os.O_NONBLOCK)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    layers = ("no_new_privs", "limits", "seccomp")
    forker.Forker(theirs, reading, os.open("/dev/null", os.O_RDWR), jail.prepare(), layers, main=hostile).serve()
    os._exit(0)
theirs.close()
news, channels = [], []
for number, what in enumerate((b"s", b"k", b"e")):
    channel, end = socket.socketpair()
    socket.send_fds(ours, [json.dumps({"op": "spawn", "id": number}).encode()], [end.fileno()])
    end.close()
    channel.send(what)
    if what == b"e":
        ours.send(json.dumps({"op": "kill", "id": number}).encode())
    news.append(json.loads(ours.recv(9999)))
    channels.append(channel)
ours.close()
print(json.dumps([news, os.waitpid(child, 0)[1]]))
"""


def test_the_broker_learns_how_workers_end() -> None:
    """
    A call that the filter kills for is named, a worker that would kill itself is one that the filter kills, an order
    to kill is obeyed; and the end of the control socket is the end.
    """
    done = subprocess.run([sys.executable, "-c", SOURCE], capture_output=True, text=True, timeout=SECONDS)

    assert done.stderr == ""
    assert json.loads(done.stdout) == [
        [
            {"op": "exited", "id": 0, "status": 31, "call": "socket"},
            {"op": "exited", "id": 1, "status": 31, "call": "tgkill"},
            {"op": "exited", "id": 2, "status": 9, "call": ""},
        ],
        0,
    ]
