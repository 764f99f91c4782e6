"""
The connector's lane: what comes in over HTTP, and what goes back, whole.
"""

import contextlib
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from hookd import samples
from hookd.points import ALIASES, POINTS
from tests.conftest import Server

PHONE = "process_client_phone"
HOOK = """
def process_client_phone(request, phones):
    return {"phone": phones.e164(request["phone"]) or request["phone"]}
"""
REQUEST = {"phone": "89001234567"}
CHANGED = {"data": {"phone": "+79001234567"}, "state": "success"}


@pytest.fixture(scope="module", autouse=True)
def hook(server: Server) -> None:
    """The hook that most tests here ask for."""
    server.write(f"{PHONE}.py", HOOK)
    server.wait(lambda: server.post(PHONE, REQUEST).json() == CHANGED, "the hook")


def raw(server: Server, data: bytes, *, seconds: float = 10) -> bytes:
    """Send *data* on a connection of its own and return everything that comes back until it is closed."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connection:
        connection.sendall(data)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


def error(code: str, message: str) -> dict[str, Any]:
    return {"state": "error", "error": {"code": code, "message": message}}


@pytest.mark.parametrize(
    "path",
    [PHONE, f"{PHONE}.php", f"actions/{PHONE}.php", f"customizer/actions/{PHONE}", f"a/b/actions/{PHONE}.php"],
)
def test_a_point_has_all_its_paths(server: Server, path: str) -> None:
    """
    The plain name, the file name, and both below any prefix that ends in /actions/ reach the same hook.
    """
    reply = server.post(path, REQUEST)

    assert (reply.status_code, reply.json()) == (200, CHANGED)
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Hookd-Outcome"] == "ok"
    assert "Hookd-Reason" not in reply.headers
    assert re.fullmatch("[0-9a-f]{20}", reply.headers["Hookd-Run-Id"])
    assert re.fullmatch(
        r"validate;dur=[\d.]+, wait;dur=[\d.]+, hook;dur=[\d.]+, total;dur=[\d.]+", reply.headers["Server-Timing"]
    )


@pytest.mark.parametrize(
    "document",
    [{"params": REQUEST}, {"params": REQUEST, "method": PHONE, "phone": "1"}, {**REQUEST, "call_full": []}],
)
def test_takes_both_envelopes(server: Server, document: Any) -> None:
    """
    The object itself or `params` around it, whose siblings are ignored; the reply is never wrapped.
    """
    assert server.post(PHONE, document).json() == CHANGED


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
def test_content_type_is_not_insisted_on(server: Server, content_type: str) -> None:
    """
    What is JSON is read as JSON, whatever the sender calls it.
    """
    assert server.post(PHONE, REQUEST, headers={"Content-Type": content_type}).json() == CHANGED


@pytest.mark.parametrize("point", POINTS)
def test_every_point_answers_without_a_hook(serve_bare: Server, point: str) -> None:
    """
    No hook file is no error: the unchanged reply goes out, at once, for every sample of every point.
    """
    for name in samples.names(POINTS[point]):
        reply = serve_bare.post(point, samples.sample(POINTS[point], name))
        assert reply.status_code == 200
        assert reply.json()["state"] == "success"
        assert (reply.headers["Hookd-Outcome"], reply.headers["Hookd-Reason"]) == ("unchanged", "no_hook")


@pytest.fixture(scope="module")
def serve_bare(server: Server) -> Server:
    """The same server: it has one hook only, which is taken away for a while."""
    (server.directory / "hooks" / f"{PHONE}.py").unlink()
    server.wait(lambda: server.post(PHONE, REQUEST).headers.get("Hookd-Reason") == "no_hook", "the removal")
    return server


@pytest.fixture
def with_hook(server: Server, hook: None) -> Server:
    """The server with its hook put back."""
    server.write(f"{PHONE}.py", HOOK)
    server.wait(lambda: server.post(PHONE, REQUEST).json() == CHANGED, "the hook")
    return server


@pytest.mark.parametrize(("old", "new"), ALIASES.items())
def test_old_method_names_are_aliases(server: Server, old: str, new: str) -> None:
    """
    A connector that uses an old name of a point reaches the point.
    """
    document = samples.sample(POINTS[new], "minimal")

    assert server.post(old, document).json() == server.post(new, document).json() == {"data": {}, "state": "success"}


BODIES = [
    (b"", "not_json", "line 1, column 1, at /: the body is empty"),
    (b"phone=1", "not_json", "line 1, column 1, at /: a JSON value is expected here"),
    (b'{"phone":"1"', "not_json", "line 1, column 13, at /: a comma or the object's end is expected here"),
    (b"[" * 10_000 + b"]" * 10_000, "not_json", "objects and lists lie more than 64 deep in one another"),
    (b'{"phone":"1","phone":"2"}', "not_json", "the key 'phone' stands twice in this object; send it once"),
    (b'{"phone":NaN}', "not_json", "NaN is not JSON; send null or a number"),
    (b'{"phone":1e400}', "not_json", "the number 1e400 is too large for a double"),
    (b'{"phone":"1","phone":"2","x":"\\u0022:"}', "not_json", "the key 'phone' stands twice in this object"),
    (rb'{"phone":"\ud800"}', "not_json", "the string holds half of a surrogate pair, which is no character"),
    (b'{"phone":"\xff"}', "not_json", "is not UTF-8; send the document as UTF-8"),
]


@pytest.mark.parametrize(
    ("body", "code", "message"), BODIES, ids=[body[:24].decode("latin-1") for body, _, _ in BODIES]
)
def test_what_is_no_json_is_400(server: Server, body: bytes, code: str, message: str) -> None:
    """
    A body that parsers disagree on is the sender's mistake, with the place.
    """
    reply = server.post(PHONE, data=body)

    assert reply.status_code == 400
    found = reply.json()
    assert found["state"] == "error"
    assert set(found["error"]) == {"code", "message"}
    assert found["error"]["code"] == code
    assert message in found["error"]["message"]


@pytest.mark.parametrize("document", [[], "x", 5, None, True, [{"phone": "1"}]])
def test_json_that_is_no_object_is_422(server: Server, document: Any) -> None:
    """
    Only an object is a request.
    """
    reply = server.post(PHONE, data=json.dumps(document))

    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "contract")
    assert [violation["path"] for violation in reply.json()["error"]["violations"]] == [""]


@pytest.mark.parametrize("point", [point for point in POINTS.values() if point.required], ids=lambda point: point.name)
def test_missing_required_keys_are_422_all_at_once(server: Server, point: Any) -> None:
    """
    Without what the reply is built from there is no valid reply: every missing key is named.
    """
    reply = server.post(point.name, {"other": 1})

    assert reply.status_code == 422
    found = reply.json()["error"]
    assert found["message"] == f"{point.name}: no valid reply can be built from this request"
    assert {violation["path"] for violation in found["violations"]} == {f"/{key}" for key in point.required}


@pytest.mark.parametrize(("point", "key"), [(point.name, key) for point in POINTS.values() for key in point.required])
def test_wrong_types_of_required_keys_are_422(server: Server, point: str, key: str) -> None:
    """
    A required key of a JSON type that no connector sends is refused, with its pointer.
    """
    wrong = 5 if "OBJECT" in POINTS[point].keys[key].name else {"an": "object"}
    document = {**samples.sample(POINTS[point], "minimal"), key: wrong}

    reply = server.post(point, document)

    assert reply.status_code == 422
    assert [violation["path"] for violation in reply.json()["error"]["violations"]] == [f"/{key}"]


@pytest.mark.parametrize(
    "odd", [None, [], {}, "x", 5, {"channel": [], "conversations": None}, {"channel": {"from": 5}}]
)
def test_an_odd_call_never_costs_a_call(with_hook: Server, odd: Any) -> None:
    """
    Whatever call_full holds, the hook runs and the reply is valid.
    """
    assert with_hook.post(PHONE, {**REQUEST, "call_full": odd, "call_stage": odd}).json() == CHANGED


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_other_methods_are_405_and_show_the_post(server: Server, method: str) -> None:
    """
    A point is asked with POST; whoever opens it in a browser learns how.
    """
    reply = requests.request(method, f"{server.url}/{PHONE}", timeout=10)

    assert (reply.status_code, reply.headers["Allow"]) == (405, "POST")
    if method != "HEAD":
        shown = f"curl -d '{{…}}' http://127.0.0.1:{server.port}/{PHONE}"
        assert reply.json() == error("method", f"{method}: the points are asked with POST: {shown}")


@pytest.mark.parametrize(
    "path", ["process_clientphone", "actions/process_clientphone.php", "sites/default/process_clientphone"]
)
def test_unknown_points_are_404_and_list_the_known(server: Server, path: str) -> None:
    """
    A misspelt point is told with the nearest right name and all of them.
    """
    reply = server.post(path, REQUEST)

    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "unknown_point")
    message = reply.json()["error"]["message"]
    assert "did you mean process_client_phone?" in message
    assert ", ".join(POINTS) in message


def test_an_unknown_site_is_404(server: Server) -> None:
    """
    On this machine, a site that does not exist is said not to.
    """
    reply = server.post(f"sites/nowhere/{PHONE}", REQUEST)

    assert (reply.status_code, reply.json()) == (404, error("unknown_point", "there is no site 'nowhere'"))


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"X-Forwarded-For": "1.2.3.4"}]
)
def test_web_pages_and_strangers_are_403(server: Server, headers: dict[str, str]) -> None:
    """
    Without tokens, only this machine itself may ask: no web page, no rebound name, nobody through a proxy.
    """
    reply = server.post(PHONE, REQUEST, headers=headers)

    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "refused")


def test_50_mb_are_413(server: Server) -> None:
    """
    A body over 1 MB is refused, announced or chunked, and its sender reads the answer.
    """
    megabytes = b"x" * (50 * 1024 * 1024)
    message = "the body is longer than 1048576 bytes; a connector's requests have 1 to 20 KB"

    plain = server.post(PHONE, data=megabytes)
    chunked = requests.post(f"{server.url}/{PHONE}", data=iter([megabytes[: 1 << 20]] * 50), timeout=30)

    for reply in (plain, chunked):
        assert (reply.status_code, reply.json()) == (413, error("too_large", message))


def test_just_under_the_limit_is_taken(with_hook: Server) -> None:
    """
    One megabyte is taken, also in chunks.
    """
    document = json.dumps({**REQUEST, "pad": "x" * (1024 * 1024 - 60)}).encode()

    assert with_hook.post(PHONE, data=document).json() == CHANGED
    assert with_hook.post(PHONE, data=iter([document[:500_000], document[500_000:]])).json() == CHANGED


def test_a_body_that_does_not_come_is_408(server: Server) -> None:
    """
    Whoever announces a body and does not send it is told so, and the connection ends.
    """
    head = f"POST /{PHONE} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n\r\n{{".encode()

    reply = raw(server, head)

    assert reply.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in reply.lower()
    assert json.loads(reply.partition(b"\r\n\r\n")[2]) == error(
        "slow_body", "the body was not complete 5 s after its headers"
    )


def test_an_endless_head_is_431(server: Server) -> None:
    """
    Headers that never end are cut off early, and cost the others nothing.
    """
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(f"POST /{PHONE} HTTP/1.1\r\nX: ".encode())
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(100):
                connection.sendall(b"a" * 4096)
                time.sleep(0.001)
        reply = b""
        with contextlib.suppress(ConnectionResetError):
            reply = connection.recv(65536)

    assert reply.startswith(b"HTTP/1.1 431 ") or not reply  # the answer may be lost to what was still on its way
    assert server.post(PHONE, REQUEST).ok


def _send_endlessly(connection: socket.socket) -> None:
    for _ in range(2000):
        connection.sendall(b"a" * 4096)
        time.sleep(0.0005)


def test_an_endless_trailer_is_cut_off(server: Server) -> None:
    """
    What follows a chunked body is limited as what precedes it is.
    """
    head = f"POST /{PHONE} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-a: ".encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            _send_endlessly(connection)

    assert server.post(PHONE, REQUEST).ok


def test_a_slow_body_behind_a_slow_reply_is_awaited(serve: Callable[..., Server]) -> None:
    """
    A request that is pipelined behind one whose hook takes long is not blamed for the wait.
    """
    slow = f"""
import time

def {PHONE}(request):
    end = time.monotonic() + 5.5
    while time.monotonic() < end:
        pass
    return {{"phone": "slow"}}
"""
    server = serve({f"{PHONE}.py": slow}, config=f"[points.{PHONE}]\ntimeout_s = 20\n")
    body = json.dumps(REQUEST).encode()
    head = f"POST /{{}} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head.format(PHONE).encode() + b"\r\n" + body)
        connection.sendall(head.format("process_user_phone").encode() + b"Connection: close\r\n\r\n")
        time.sleep(0.2)
        connection.sendall(body)
        replies = b"".join(iter(lambda: connection.recv(65536), b""))

    assert re.findall(rb'"phone":"(\w+)"', replies) == [b"slow", b"89001234567"]
    assert replies.count(b"HTTP/1.1 200") == 2


def test_an_error_with_odd_characters_is_told(with_hook: Server) -> None:
    """
    Whatever stands in an error's text, the connector gets its reply.
    """
    with_hook.write(
        f"{PHONE}.py", f"def {PHONE}(request):\n    raise ValueError('a\\x7f\\r\\nb: ' + request['phone'])\n"
    )
    with_hook.wait(lambda: with_hook.post(PHONE, REQUEST).headers["Hookd-Outcome"] == "fallback", "the hook")

    for phone in ("\x7f", "я\u2028", "\r\nSet-Cookie: x", "\x00"):
        reply = with_hook.post(PHONE, {"phone": phone})
        assert (reply.status_code, reply.json()) == (200, {"data": {"phone": phone}, "state": "success"})
        assert reply.headers["Hookd-Error"].isprintable()
        assert "Set-Cookie" not in reply.headers
    with_hook.write(f"{PHONE}.py", HOOK)
    with_hook.wait(lambda: with_hook.post(PHONE, REQUEST).json() == CHANGED, "the hook")


def test_a_client_that_hangs_up_costs_nothing(with_hook: Server) -> None:
    """
    A sender that is gone, before or after its body, leaves no trace in later replies.
    """
    body = json.dumps(REQUEST).encode()
    head = f"POST /{PHONE} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for data in (head, head + body[:5], head + body):
        with socket.create_connection(("127.0.0.1", with_hook.port)) as connection:
            connection.sendall(data)

    assert with_hook.post(PHONE, REQUEST).json() == CHANGED


def test_stalling_senders_do_not_slow_the_others(with_hook: Server) -> None:
    """
    64 senders that stop or drip in mid-body take nothing from good calls: more of these are answered while those wait.
    """
    head = f"POST /{PHONE} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\n\r\n{{".encode()
    stalled = [socket.create_connection(("127.0.0.1", with_hook.port)) for _ in range(64)]
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.05):
            for connection in stalled[32:]:
                connection.sendall(b" ")

    for connection in stalled:
        connection.sendall(head)
    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        replies: list[object] = []
        while len(replies) < 200 and not any(map(_has_answer, stalled)):  # a busy machine is not that fast
            replies.append(with_hook.post(PHONE, REQUEST).json())
    finally:
        stop.set()
        dripping.join()
        for connection in stalled:
            connection.close()

    assert len(replies) > len(stalled)
    assert replies == [CHANGED] * len(replies)


def _has_answer(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return bool(connection.recv(1))
    except BlockingIOError:
        return False
    finally:
        connection.setblocking(True)


@pytest.mark.parametrize("value", ["x", "-5", "0", "1.5", "999999999999", "", "+100", "１００"])
def test_a_bad_deadline_is_ignored_with_a_warning(with_hook: Server, value: str) -> None:
    """
    Hookd-Deadline-Ms that is no number of milliseconds changes nothing and is told.
    """
    run = with_hook.explain(PHONE, REQUEST, headers={"Hookd-Deadline-Ms": value.encode()})

    assert run["outcome"] == "ok"
    assert [warning["message"].partition(" is ignored")[0].split()[0] for warning in run["warnings"]] == [
        "Hookd-Deadline-Ms"
    ]


def test_a_deadline_may_only_shorten(serve: Callable[..., Server]) -> None:
    """
    The sender's deadline stops a hook earlier, never later, and not at all at the record point.
    """
    endless = "def {0}(request):\n    while True:\n        pass\n"
    server = serve(
        {f"{PHONE}.py": endless.format(PHONE), "need_registration.py": endless.format("need_registration")},
        config="[points.need_registration]\ntimeout_s = 0.3\n",
    )

    short = server.explain(PHONE, REQUEST, headers={"Hookd-Deadline-Ms": "100"})
    longer = server.explain("need_registration", {}, headers={"Hookd-Deadline-Ms": "5000"})

    assert (short["reason"], short["reply"]) == ("timeout", {"data": REQUEST, "state": "success"})
    assert "stopped at its limit of 0.1 s" in short["error"]["message"]
    assert (longer["reason"], longer["reply"]) == ("timeout", {"data": {"result": True}, "state": "success"})
    assert "stopped at its limit of 0.3 s" in longer["error"]["message"]


def test_explain_shows_the_whole_run(with_hook: Server) -> None:
    """
    ?explain=1 answers with everything hookd knows of the run.
    """
    run = with_hook.explain(PHONE, {**REQUEST, "call_stage": "later"})

    times = run.pop("times_ms")
    assert set(times) == {"validate", "wait", "hook", "total"}
    assert re.fullmatch("[0-9a-f]{20}", run.pop("run_id"))
    assert re.fullmatch("[0-9a-f]{64}", run.pop("digest"))
    assert [warning["path"] for warning in run.pop("warnings")] == ["/call_stage"]
    assert re.fullmatch("L[0-4]", run["isolation"])
    assert run == {
        "site": "default",
        "point": PHONE,
        "outcome": "ok",
        "reason": None,
        "reply": CHANGED,
        "error": None,
        "print": "",
        "calls": [],
        "linkedid": None,
        "isolation": run["isolation"],
    }


def test_keeps_connections_alive_through_refusals(server: Server) -> None:
    """
    A refused request does not cost the sender its connection.
    """
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    statuses = []
    for body in (b"nope", json.dumps(REQUEST).encode(), b"", json.dumps(REQUEST).encode()):
        connection.request("POST", f"/{PHONE}", body)
        reply = connection.getresponse()
        reply.read()
        statuses.append(reply.status)
    connection.close()

    assert statuses == [400, 200, 400, 200]


def test_pipelined_requests_are_answered_in_order(with_hook: Server) -> None:
    """
    Two requests in one packet get two replies, in order.
    """
    bodies = [json.dumps({"phone": phone}).encode() for phone in ("89001234567", "89007654321")]
    request = b"".join(
        f"POST /{PHONE} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n".encode()
        + (b"Connection: close\r\n" if body is bodies[-1] else b"")
        + b"\r\n"
        + body
        for body in bodies
    )

    replies = raw(with_hook, request)

    assert re.findall(rb'"phone":"(\+\d+)"', replies) == [b"+79001234567", b"+79007654321"]


def test_time_to_wait_for_a_body_counts(with_hook: Server) -> None:
    """
    The deadline counts from the headers: a body that comes after it is answered unchanged, not run.
    """
    body = json.dumps(REQUEST).encode()
    head = f"POST /{PHONE} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", with_hook.port), timeout=10) as connection:
        connection.sendall(head.encode())
        time.sleep(1.2)
        connection.sendall(body)
        reply = b"".join(iter(lambda: connection.recv(65536), b""))

    assert b"hookd-reason: timeout" in reply
    assert json.loads(reply.partition(b"\r\n\r\n")[2]) == {"data": REQUEST, "state": "success"}
