"""
Hooks that are broken, slow or hostile: each costs its own reply, told with a reason, and nothing else.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.conftest import Server, is_alive

PHONE = "process_client_phone"
GOOD = "def need_registration(request):\n    return {'result': False}\n"
REQUEST = {"phone": "89001234567"}
UNCHANGED = {"data": REQUEST, "state": "success"}
BUSY_TICKS = 8  # of 10 ms
ENDLESS = f"def {PHONE}(request):\n    while True:\n        pass\n"


@pytest.fixture(scope="module", autouse=True)
def good(server: Server) -> None:
    """A hook of the same site that does its work, whatever the other one does."""
    server.write("need_registration.py", GOOD)
    server.wait(lambda: _good(server), "the good hook")


def _good(server: Server) -> bool:
    return bool(server.post("need_registration", {}).json()["data"] == {"result": False})


def _use(server: Server, body: str) -> None:
    """Make *body* the function's body in process_client_phone, and wait until it is in force or refused."""
    text = f"# {time.monotonic_ns()}\ndef {PHONE}(request):\n    {body}\n"
    _use_file(server, text)


def _use_file(server: Server, text: str) -> None:
    def events() -> int:
        lines = [*server.lines("hook_loaded"), *server.lines("hook_broken")]
        return sum(line["point"] == PHONE for line in lines)

    before = events()
    server.write(f"{PHONE}.py", text)
    server.wait(lambda: events() > before, "the hook's loading")


RETURNS = [
    ("return {1, 2}", "contract", "type set"),
    ("return {'phone': {'1'}}", "contract", "/phone"),
    ("return {'phone': float('nan')}", "contract", "/phone"),
    ("return {'phone': 'x' * 10_000_000}", "contract", ""),
    ("x = []\n    x.append(x)\n    return {'phone': x}", "contract", ""),
    ("x = [1]\n    for i in range(40):\n        x = [x, x]\n    return {'phone': x}", "contract", ""),
    ("return {'phne': '1'}", "contract", "did you mean phone?"),
    ("return {'phone': 5.5}", "contract", "/phone"),
    ("return {'phone': None}", "contract", "/phone"),
    ("return 'x'", "contract", ""),
    ("return [1]", "contract", ""),
    ("return {1: 'x'}", "contract", ""),
    ("return {'phone': '\\ud800'}", "contract", ""),
    ("return CANCEL", "contract", "CANCEL"),
    ("return (x for x in 'ab')", "contract", ""),
    ("class E(Exception):\n        def __str__(self):\n            return 1 / 0\n    raise E()", "error", "E"),
    ("class E(Exception):\n        def __init__(self):\n            self.args = (self,)\n    raise E()", "error", "E"),
    ("raise ValueError('x' * 10_000_000)", "error", "ValueError"),
    ("raise ValueError('a\\n\\x1b[2J')", "error", "ValueError"),
    ("raise KeyboardInterrupt", "load", "KeyboardInterrupt"),
    ("raise SystemExit(0)", "load", "SystemExit"),
    ("return 1 / 0", "error", "division by zero"),
    ("return request['nosuch']", "error", "nosuch"),
    ("return undefined_name", "error", "undefined_name"),
    ("def f(n):\n        return f(n + 1)\n    return f(0)", "error", "recursion"),
    ("return {'phone': 'a' * 10_000_000_000}", "memory", ""),
    ("x = []\n    while True:\n        x.append([1, 2, 3])", "", ""),  # memory or the deadline, whichever comes first
    ("while True:\n        pass", "timeout", "stopped at its limit of 1 s ([points.process_client_phone] timeout_s)"),
    ("return 9 ** 9 ** 9 % 7", "timeout", ""),
    (
        "while True:\n        try:\n            while True:\n                x = 1\n        except:\n            pass",
        "timeout",
        "",
    ),
    (
        "it = [1]\n    for i in range(200000):\n        it = zip(it)\n    for x in it:\n        return None",
        "crash",
        "SIGSEGV",
    ),
]


@pytest.mark.parametrize(("body", "reason", "message"), RETURNS, ids=[body[:50] for body, _, _ in RETURNS])
def test_a_bad_hook_costs_only_its_reply(server: Server, body: str, reason: str, message: str) -> None:
    """
    Whatever the hook does, the connector gets the unchanged data, the reason is told, and the next hook runs.
    """
    if reason == "load":
        (server.directory / "hooks" / f"{PHONE}.py").unlink(missing_ok=True)
        server.wait(lambda: server.post(PHONE, REQUEST).headers.get("Hookd-Reason") == "no_hook", "the removal")
    _use(server, body)

    reply = server.post(PHONE, REQUEST)

    assert (reply.status_code, reply.json()) == (200, UNCHANGED)
    assert reply.headers["Hookd-Outcome"] == "fallback"
    assert reply.headers["Hookd-Reason"] in ([reason] if reason else ["memory", "timeout"])
    assert reply.headers["Hookd-Error"]
    run = server.explain(PHONE, REQUEST)
    assert message in f"{run['error']['message']} {run['error']['text']}"
    assert run["error"]["text"].endswith(f"The number went out unchanged. [{run['reason']}]")
    assert len(run["error"]["text"]) < 2000
    assert run["error"]["text"].isprintable()
    assert _good(server)


BROKEN = [
    (f"def {PHONE}(request)\n    return None\n", 1, "expected ':'"),
    ("def process_clint_phone(request):\n    return None\n", 1, f"there is no function {PHONE}"),
    (f"import os\n\ndef {PHONE}(request):\n    return None\n", 1, "import os"),
    (f"def {PHONE}(request, htp):\n    return None\n", 1, "asks for 'htp'"),
    (f"x = 1 / 0\n\ndef {PHONE}(request):\n    return None\n", 1, "division by zero"),
    (f"def {PHONE}(request):\n    return ().__class__\n", 2, "__class__"),
]


@pytest.mark.parametrize(("text", "line", "message"), BROKEN, ids=[message for _, _, message in BROKEN])
def test_a_broken_edit_leaves_the_last_good_version(server: Server, text: str, line: int, message: str) -> None:
    """
    A file that cannot be used changes nothing for the calls, and log, readiness and metrics tell what is wrong where.
    """
    _use(server, "return {'phone': '1'}")
    _use_file(server, text)

    assert server.post(PHONE, REQUEST).json()["data"] == {"phone": "1"}
    told = server.get("readyz").json()["sites"]["default"]["broken"][PHONE]
    assert told[0].startswith(f"{PHONE}.py:{line}: ")
    assert message in told[0]
    logged = server.lines("hook_broken")[-1]
    assert logged["problems"] == told
    assert logged["keeps"].endswith("stays in force")
    assert 'hookd_broken_hooks{site="default"} 1.0' in server.get("metrics").text


def test_a_hook_that_never_was_good_falls_back(server: Server) -> None:
    """
    Without any good version the reason is `load`, and the error says what to mend.
    """
    (server.directory / "hooks" / f"{PHONE}.py").unlink(missing_ok=True)
    server.wait(lambda: server.post(PHONE, REQUEST).headers.get("Hookd-Reason") == "no_hook", "the removal")
    _use_file(server, "def wrong(request):\n    return None\n")

    reply = server.post(PHONE, REQUEST)

    assert (reply.json(), reply.headers["Hookd-Reason"]) == (UNCHANGED, "load")
    assert f"there is no function {PHONE}" in reply.headers["Hookd-Error"]


def test_a_flood_of_prints_is_cut(server: Server) -> None:
    """
    100 MB of prints are cut at 64 KB, and do not cost the hook its reply.
    """
    _use(server, "for i in range(100):\n        print('x' * 1_000_000)\n    return {'phone': '1'}")

    run = server.explain(PHONE, REQUEST)

    assert (run["outcome"], run["reply"]["data"]) == ("ok", {"phone": "1"})
    assert 1000 < len(run["print"]) <= 66_000


def test_what_was_printed_before_the_deadline_is_told(server: Server) -> None:
    """
    The log of a run that was stopped says how far it came, with numbers masked and control characters escaped.
    """
    _use(server, "print('calling', request['phone'], chr(27))\n    while True:\n        pass")

    run = server.explain(PHONE, REQUEST)

    assert (run["reason"], run["print"]) == ("timeout", "calling 89001234567 \\x1b\n")
    server.wait(lambda: server.lines("run")[-1].get("reason") == "timeout", "the log line")
    assert server.lines("run")[-1]["print"].startswith("calling *******4567 \\x1b")


def test_a_file_deleted_in_use_ends_no_run(server: Server) -> None:
    """
    A run that has begun is finished by the version it began with, also when its file goes.
    """
    _use(server, "for i in range(10_000_000):\n        pass\n    return {'phone': '1'}")
    with ThreadPoolExecutor() as threads:
        replies = [threads.submit(server.explain, PHONE, REQUEST) for _ in range(2)]
        time.sleep(0.05)
        (server.directory / "hooks" / f"{PHONE}.py").unlink()
        runs = [reply.result() for reply in replies]

    assert {run["outcome"] for run in runs} <= {"ok", "fallback"}
    assert {run["reason"] for run in runs} <= {None, "timeout"}
    server.wait(lambda: server.post(PHONE, REQUEST).headers.get("Hookd-Reason") == "no_hook", "the removal")


def test_nothing_of_one_run_is_left_for_the_next(server: Server) -> None:
    """
    Module-level state, random numbers and the decimal context are fresh in every run of a warm worker.
    """
    text = f"""
import decimal
import random

seen = []


def spoil():
    with decimal.localcontext(prec=5):
        yield 1


def {PHONE}(request):
    seen.append(request["phone"])
    third = 1 / decimal.Decimal(3)
    left = spoil()
    next(left)
    return {{"phone": f"{{len(seen)}} {{third}} {{random.random()}}"}}
"""
    _use_file(server, text)

    assert server.explain(PHONE, REQUEST)["error"] is None
    phones = [server.post(PHONE, REQUEST).json()["data"]["phone"].split() for _ in range(20)]

    assert {phone[0] for phone in phones} == {"1"}
    assert len({phone[1] for phone in phones}) == 1
    assert len({phone[2] for phone in phones}) == 20


@pytest.fixture
def own(serve: Callable[..., Server]) -> Server:
    """A server of the test's own, with an endless hook and a good one."""
    return serve({f"{PHONE}.py": ENDLESS, "need_registration.py": GOOD})


def test_killed_processes_cost_at_most_their_run(serve: Callable[..., Server]) -> None:
    """
    kill -9 of a worker or of the zygote in the middle of a call: that call goes on unchanged, the next ones run.
    """
    server = serve({f"{PHONE}.py": ENDLESS, "need_registration.py": GOOD}, config=f"[points.{PHONE}]\ntimeout_s = 5\n")
    for _ in range(3):
        for is_victim in (_is_busy, _is_zygote):
            with ThreadPoolExecutor() as threads:
                pending = threads.submit(server.explain, PHONE, REQUEST)
                server.wait(lambda: any(map(_is_busy, server.descendants())), "the run")
                victim = next(pid for pid in server.descendants() if is_victim(pid))
                os.kill(victim, signal.SIGKILL)
                run = pending.result()
            assert (run["outcome"], run["reason"], run["reply"]) == ("fallback", "crash", UNCHANGED)
            server.wait(lambda: _good(server), "a worker after the kill")


def test_a_killed_http_process_is_replaced(serve: Callable[..., Server]) -> None:
    """
    kill -9 of an HTTP process: its workers end with it, another one takes its place, calls are answered again.
    """
    server = serve({f"{PHONE}.py": ENDLESS, "need_registration.py": GOOD}, processes=2)
    before = server.descendants()
    http = server.http()

    os.kill(http[0], signal.SIGKILL)
    orphans = [pid for pid in before if _parent(pid) == http[0]]

    server.wait(lambda: not any(map(is_alive, [http[0], *orphans])), "the end of the killed process's sandbox")
    server.wait(lambda: len(server.http()) == 2, "a new one")
    server.wait(lambda: _answers(server), "an answer")
    assert all(_good(server) for _ in range(50))


def _answers(server: Server) -> bool:
    server.session.close()
    try:
        return _good(server)
    except requests.ConnectionError:
        return False


def test_100_endless_calls_leave_room_for_the_good(own: Server) -> None:
    """
    100 calls of a hook that never returns are each answered as a timeout or as busy; good hooks answer meanwhile; and
    afterwards no process, descriptor or memory is left over.
    """
    before = _leftovers(own)
    good: list[bool] = []
    stop = threading.Event()

    def ask_good() -> None:
        with requests.Session() as session:
            while not stop.wait(0.02):
                reply = session.post(f"{own.url}/need_registration", data=b"{}", timeout=30)
                good.append(reply.json()["data"] == {"result": False})

    asking = threading.Thread(target=ask_good)
    asking.start()
    with ThreadPoolExecutor(100) as threads:
        replies = list(threads.map(lambda _: requests.post(f"{own.url}/{PHONE}", json=REQUEST, timeout=30), range(100)))
    stop.set()
    asking.join()

    assert {reply.status_code for reply in replies} == {200}
    assert all(reply.json() == UNCHANGED for reply in replies)
    reasons = [reply.headers["Hookd-Reason"] for reply in replies]
    assert set(reasons) == {"timeout", "busy"}
    assert len(good) >= 3
    assert all(good)
    own.wait(lambda: _leftovers(own)[:2] <= (before[0] + 4, before[1] + 12), "the end of what was started")


def _leftovers(server: Server) -> tuple[int, int]:
    """Processes, and descriptors of all of them."""
    pids = server.descendants()
    return len(pids), sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids if is_alive(pid))


def test_the_record_point_has_10_seconds(serve: Callable[..., Server]) -> None:
    """
    Work of 9 s succeeds, endless work is answered with the original path before the connector's 10 s are over, whatever
    the headers say.
    """
    point, request = "process_record_file_path", {"record_file_path": "/rec/1.wav"}
    work = f"""
import time

def {point}(request):
    end = time.monotonic() + 9
    while time.monotonic() < end and request["path"] == "/rec/1.wav":
        pass
    while request["path"] != "/rec/1.wav":
        pass
    return {{"path": "/rec/1.mp3"}}
"""
    server = serve({f"{point}.py": work}, config=f"[points.{PHONE}]\ntimeout_s = 0.2\n")
    with ThreadPoolExecutor() as threads:
        nine = threads.submit(server.explain, point, request, headers={"Hookd-Deadline-Ms": "100"})
        endless = threads.submit(server.explain, point, {"path": "/rec/2.wav"}, headers={"Hookd-Deadline-Ms": "60000"})

    assert (nine.result()["outcome"], nine.result()["reply"]["data"]) == ("ok", {"record_file_path": "/rec/1.mp3"})
    assert (endless.result()["reason"], endless.result()["reply"]["data"]) == ("timeout", {"path": "/rec/2.wav"})
    assert endless.result()["times_ms"]["total"] < 10_000  # the connector's limit, 0.2 s after the kill
    assert "9.8 s (fixed by the connector)" in endless.result()["error"]["message"]


def test_a_full_disk_costs_no_call(serve: Callable[..., Server], tmp_path: Path) -> None:
    """
    Where nothing can be written any more, hooks are still loaded and run; what could not be kept is logged.
    """
    server = serve(config='state = "/dev/full/var"\n')
    server.write("need_registration.py", GOOD)

    server.wait(lambda: _good(server), "the hook")

    assert server.lines("accepted_not_stored")


def test_stopping_answers_what_is_in_flight(serve: Callable[..., Server]) -> None:
    """
    SIGTERM in the middle of runs: each gets its reply, then every process ends.
    """
    slow = f"def {PHONE}(request):\n    for i in range(10_000_000):\n        pass\n    return {{'phone': '1'}}\n"
    server = serve({f"{PHONE}.py": slow}, config=f"[points.{PHONE}]\ntimeout_s = 10\n")
    pids = server.descendants()
    with ThreadPoolExecutor() as threads:
        pending = [threads.submit(requests.post, f"{server.url}/{PHONE}", json=REQUEST, timeout=30) for _ in range(3)]
        server.wait(lambda: any(map(_is_busy, server.descendants())), "the runs")
        server.process.terminate()
        replies = [future.result() for future in pending]

    assert [reply.json()["data"] for reply in replies] == [{"phone": "1"}] * 3
    assert server.process.wait(20) == 0
    server.wait(lambda: not any(map(is_alive, pids)), "the end of every process")


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["Z"] + ["0"] * 50


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _is_zygote(pid: int) -> bool:
    return "hookd.sandbox.zygote" in _command(pid) and "hookd.sandbox.zygote" not in _command(_parent(pid))


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def _is_busy(pid: int) -> bool:
    """Whether *pid* is a worker that has computed for a while (one that is just being made ready has not)."""
    is_worker = "hookd.sandbox.zygote" in _command(pid) and not _is_zygote(pid)
    return is_worker and _stat(pid)[0] == "R" and int(_stat(pid)[11]) >= BUSY_TICKS
