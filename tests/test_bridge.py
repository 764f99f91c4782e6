"""
The bridge's PHP file in a real php: what the connector gets, with hookd up, down, slow, and answering nonsense.

`python -m tests.test_bridge` writes the table of points in the file anew.
"""

import contextlib
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookd import contract, samples
from hookd.bridge import config, files
from hookd.bridge.php import ACTION, literal, names, with_points
from hookd.documents import Json
from hookd.points import POINTS
from tests.conftest import Server, free_port

PHP_S = 60.0
PATIENCE_S = 0.4  # of a bridge that is made to wait in vain

# Includes action after action in one process, each with the request in $params, as the connector does.
CONNECTOR = r"""<?php
function hookd_ask($file, $params) { return include $file; }
$replies = array();
foreach (json_decode(stream_get_contents(STDIN), true) as $asked) {
    $replies[] = hookd_ask($asked[0], $asked[1]);
}
echo json_encode($replies, JSON_PRESERVE_ZERO_FRACTION | JSON_UNESCAPED_UNICODE);
"""


def php(*arguments: str, stdin: bytes = b"") -> str:
    done = subprocess.run(["php", *arguments], input=stdin, capture_output=True, timeout=PHP_S, check=False)
    assert (done.returncode, done.stderr) == (0, b""), (done.stdout, done.stderr)
    return done.stdout.decode()


def has_curl() -> bool:
    return shutil.which("php") is not None and php("-r", "echo function_exists('curl_init');") == "1"


TRANSPORTS = {
    "streams": ("-d", "disable_functions=curl_init", "-d", "allow_url_fopen=0"),
    "curl": ("-d", "disable_functions=stream_socket_client"),
}


@pytest.fixture(
    params=[
        "streams",
        pytest.param("curl", marks=pytest.mark.skipif(not has_curl(), reason="this php has no curl extension")),
    ]
)
def transport(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The options with which php has only one way to ask."""
    return TRANSPORTS[request.param]


class Actions:
    """
    A connector's directory of actions with the bridge in it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "actions"
        self.directory.mkdir()

    def install(self, url: str, *points: str, limit_s: float = 5.0, **options: Any) -> None:
        told = {"path": "", "token": "", "ca": "", "fallback": config.UNCHANGED, **options}
        limits = {name: limit_s for point in POINTS.values() for name in names(point)}
        chosen = [POINTS[name] for name in points] or list(POINTS.values())
        files.install(self.directory, chosen, config.Config(url=url, limits_s=limits, **told))

    def ask(self, point: str, params: Json, *options: str) -> Json:
        [reply] = self.ask_all([(point, params)], *options)
        return reply

    def ask_all(self, asked: list[tuple[str, Json]], *options: str) -> list[Json]:
        connector = self.directory.parent / "connector.php"
        connector.write_text(CONNECTOR)
        body = json.dumps([(str(self.directory / f"{point}.php"), params) for point, params in asked]).encode()
        replies: list[Json] = json.loads(php(*options, str(connector), stdin=body))
        return replies


@pytest.fixture
def actions(tmp_path: Path) -> Actions:
    return Actions(tmp_path)


Answer = Callable[[socket.socket, threading.Event], None]


@contextlib.contextmanager
def answering(answer: Answer, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[str]:
    """
    Serve connections, one after another, with *answer*, and yield the URL; its event says that the test is over.
    """
    over = threading.Event()
    listening = socket.create_server((host, 0))

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listening.accept()
                with tls.wrap_socket(connection, server_side=True) if tls else connection as opened:
                    answer(opened, over)
                    if isinstance(opened, ssl.SSLSocket):
                        opened.unwrap()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://{host}:{listening.getsockname()[1]}"
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def says(text: bytes, *, head: bytes = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n") -> Answer:
    """Return an answer that reads the request and sends *text*."""

    def answer(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(head + b"\r\n" + text)

    return answer


def read_request(connection: socket.socket) -> tuple[str, bytes]:
    """Return head and body of a request."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    found = re.search(rb"(?i)content-length: (\d+)", head)
    length = int(found.group(1)) if found else 0
    while len(body) < length:
        body += connection.recv(65536)
    return head.decode(), body


def unchanged(point: str, request: Json) -> Json:
    return contract.envelope(contract.unchanged(contract.read_request(POINTS[point], request)))


def as_php(reply: Json) -> Json:
    """Return *reply* as PHP writes it when it has no better idea: an empty object is a list."""
    if isinstance(reply, dict):
        return {key: as_php(value) for key, value in reply.items()} or []
    return [as_php(value) for value in reply] if isinstance(reply, list) else reply


# ---- hookd is up -----------------------------------------------------------------------------------------------

TYPES = {
    "int": 5,
    "zero": 0,
    "float": 0.25,
    "whole": 35.0,
    "large": 9007199254740993,
    "text": 'Пропущенный «звонок» 😀 " \\ / \u2028',
    "number": "0079001234567",
    "none": None,
    "yes": True,
    "no": False,
    "list": [1, "2", [], [{}]],
    "empty_list": [],
    "empty_object": {},
    "numbered": {"0": "a", "1": "b"},
    "object": {"a": {"b": {}}},
}


def test_a_hook_answers_the_connector(
    serve: Callable[..., Server], actions: Actions, transport: tuple[str, ...]
) -> None:
    """
    What a hook changes comes back as the array that the connector reads; the rest as it was sent.
    """
    hook = 'def process_final_params(request):\n    return {"USER_ID": 17}\n'
    server = serve({"process_final_params.py": hook})
    actions.install(server.url)
    request = samples.sample(POINTS["process_final_params"], "incoming-missed")

    reply = actions.ask("process_final_params", request, *transport)

    assert reply == {"state": "success", "data": {**unchanged("process_final_params", request)["data"], "USER_ID": 17}}


def test_every_type_of_json_survives(
    serve: Callable[..., Server], actions: Actions, transport: tuple[str, ...]
) -> None:
    """
    Integers, floats, text, null, flags, lists and objects, empty ones too, arrive as the hook set them.
    """
    fields = {f"UF_CRM_{key.upper()}": value for key, value in TYPES.items()}
    hook = f"def customize_entity(request):\n    return {fields!r}\n"
    server = serve({"customize_entity.py": hook})
    actions.install(server.url)

    run = server.explain("customize_entity", {})
    reply = actions.ask("customize_entity", {"call_full": {}}, *transport)

    assert run["outcome"] == "ok", run["error"]
    assert reply == run["reply"]
    assert json.dumps(reply["data"], sort_keys=True) == json.dumps(run["reply"]["data"], sort_keys=True)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["0", "1", "2", "01", "-1", "a", "Ж", "$x", " "]), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=st.lists(JSON, min_size=20, max_size=20))
def test_any_json_survives(actions: Actions, document: Json) -> None:
    """
    Whatever a hook may set, the connector writes as hookd has: values, types, empty objects and lists.
    """
    text = json.dumps({"state": "success", "data": {"x": document}}).encode()
    with answering(says(text)) as url:
        actions.install(url, "customize_entity")
        reply = actions.ask("customize_entity", {"call_full": {}}, "-d", "serialize_precision=-1")

    assert json.dumps(reply["data"]["x"], sort_keys=True) == json.dumps(document, sort_keys=True)


def test_every_point_and_old_name_is_asked_in_one_process(
    serve: Callable[..., Server], tmp_path: Path, transport: tuple[str, ...]
) -> None:
    """
    All actions are included one after another in one php, under today's names and the old ones, and each is answered by
    hookd; a recording and a click wrapped in params too.
    """
    server = serve()
    (tmp_path / "old").mkdir()
    actions = Actions(tmp_path / "old")
    actions.directory = actions.directory.rename(tmp_path / "old" / "custom")
    actions.install(server.url)
    asked = [
        (name, samples.sample(point, samples.default(point))) for point in POINTS.values() for name in names(point)
    ]

    replies = actions.ask_all(asked, *transport)

    expected = [
        unchanged(point.name, samples.sample(point, samples.default(point)))
        for point in POINTS.values()
        for _ in names(point)
    ]
    assert [as_php(reply) for reply in replies] == [as_php(reply) for reply in expected]
    server.wait(lambda: len(server.lines("run")) == len(asked), "hookd was asked each time")
    assert {line["outcome"] for line in server.lines("run")} == {"unchanged"}


def test_a_site_is_asked_with_its_token(
    serve: Callable[..., Server], actions: Actions, transport: tuple[str, ...]
) -> None:
    """
    The path of a site and its token go along; a wrong token is a call with the connector's own values.
    """
    hook = 'def process_client_phone(request):\n    return {"phone": "1"}\n'
    token = "a'b\\c-0123456789abcdef"
    server = serve(
        {
            "sites/acme/hooks/process_client_phone.py": hook,
            "sites/acme/site.toml": f'tokens = ["""{token.replace(chr(92), chr(92) * 2)}"""]',
        }
    )
    actions.install(server.url, path="/sites/acme", token=token)
    right = actions.ask("process_client_phone", {"phone": "2"}, *transport)
    actions.install(server.url, path="/sites/acme", token="0123456789abcdef")
    wrong = actions.ask("process_client_phone", {"phone": "2"}, *transport)

    assert (right["data"], wrong["data"]) == ({"phone": "1"}, {"phone": "2"})


def test_what_the_command_installs_works(serve: Callable[..., Server], actions: Actions) -> None:
    """
    `hookd bridge install` and the server agree on the address, on the token that was made, and on its file.
    """
    hook = 'def process_client_phone(request):\n    return {"phone": "1"}\n'
    server = serve(
        {"process_client_phone.py": hook, "../secrets/tokens": "0123456789abcdef\n"},
        config='[site]\ntokens_file = "secrets/tokens"\n',
    )
    named = ["--config", str(server.directory / "hookd.toml"), "--dir", str(actions.directory)]

    def bridge(action: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "hookd", "bridge", action, *named]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PHP_S, check=False)
        return done.returncode, done.stderr

    assert bridge("install") == (0, "")
    request = {"phone": "2", "call_full": {}}
    asked = "hookd takes the token"
    server.wait(lambda: actions.ask("process_client_phone", request)["data"] == {"phone": "1"}, asked)
    assert bridge("status") == (0, "")


def test_a_large_request_arrives_whole(actions: Actions, transport: tuple[str, ...]) -> None:
    """
    A request near hookd's limit is sent in pieces, and as PHP has it: its types, and UTF-8 as it is.
    """
    asked = []

    def answer(connection: socket.socket, over: threading.Event) -> None:
        asked.append(read_request(connection))
        connection.sendall(b'HTTP/1.1 200 OK\r\n\r\n{"state": "success", "data": {"phone": "1"}}')

    params = {"phone": 79001234567, "float": 35.0, "name": "Ж" * 400_000}
    with answering(answer) as url:
        actions.install(url, "process_client_phone", token="0123456789abcdef")
        reply = actions.ask("process_client_phone", params, *transport)

    [(head, body)] = asked
    assert reply == {"state": "success", "data": {"phone": "1"}}
    assert body == json.dumps(params, ensure_ascii=False, separators=(",", ":")).encode()
    assert head.startswith("POST /process_client_phone HTTP/1.")
    assert "Authorization: Bearer 0123456789abcdef" in head


def test_a_unix_socket_will_do(actions: Actions, tmp_path: Path) -> None:
    """
    hookd on a unix socket is asked without a port that others could find; curl or not.
    """
    path = tmp_path / "hookd.sock"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            read_request(connection)
            connection.sendall(b'HTTP/1.1 200 OK\r\n\r\n{"state": "success", "data": {"phone": "1"}}')

    thread = threading.Thread(target=serve)
    thread.start()
    actions.install(f"unix:{path}", "process_client_phone")
    reply = actions.ask("process_client_phone", {"phone": "2"})
    thread.join()
    listening.close()

    assert reply["data"] == {"phone": "1"}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to make a certificate with")
def test_a_certificate_is_checked(actions: Actions, tmp_path: Path, transport: tuple[str, ...]) -> None:
    """
    Over https hookd is believed only with a certificate of the CA that is named.
    """
    key, certificate = tmp_path / "key.pem", tmp_path / "ca.pem"
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    extra = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *made, *extra], check=True, capture_output=True, timeout=PHP_S)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    with answering(says(b'{"state": "success", "data": {"phone": "1"}}'), tls=context) as url:
        actions.install(url, "process_client_phone", ca=str(certificate))
        known = actions.ask("process_client_phone", {"phone": "2"}, *transport)
        actions.install(url, "process_client_phone")
        unknown = actions.ask("process_client_phone", {"phone": "2"}, *transport)

    assert (known["data"], unknown["data"]) == ({"phone": "1"}, {"phone": "2"})


# ---- hookd is not ----------------------------------------------------------------------------------------------


def never(connection: socket.socket, over: threading.Event) -> None:
    over.wait()


def drips(connection: socket.socket, over: threading.Event) -> None:
    """Send a head, and then a byte now and then: each alone is in time."""
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    with contextlib.suppress(OSError):
        while not over.wait(0.05):
            connection.sendall(b" ")


def hangs_up(connection: socket.socket, over: threading.Event) -> None:
    pass


SUCCESS = b'{"state": "success", "data": {"phone": "1"}}'
BAD: dict[str, Answer] = {
    "never answers": never,
    "drips": drips,
    "hangs up": hangs_up,
    "no HTTP": says(b"", head=b"SSH-2.0-OpenSSH_9.2\r\n"),
    "nonsense": says(b"<html>It works!</html>"),
    "nothing": says(b""),
    "half JSON": says(b'{"state": "success", "data": {"pho'),
    "cut off": says(SUCCESS, head=b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n"),
    "other JSON": says(b'{"phone": "1"}'),
    "a list": says(b'[{"state": "success"}]'),
    "no data": says(b'{"state": "success"}'),
    "data is text": says(b'{"state": "success", "data": "1"}'),
    "data is null": says(b'{"state": "success", "data": null}'),
    "an error": says(b'{"state": "error", "error": {"code": "contract"}}'),
    "500": says(SUCCESS, head=b"HTTP/1.1 500 Internal Server Error\r\n"),
    "401": says(SUCCESS, head=b"HTTP/1.1 401 Unauthorized\r\n"),
    "302": says(SUCCESS, head=b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"),
    "204": says(b"", head=b"HTTP/1.1 204 No Content\r\n"),
    "not UTF-8": says(b'{"state": "success", "data": {"phone": "\xff"}}'),
    "deep": says(b'{"state": "success", "data": {"phone": ' + b"[" * 600 + b"]" * 600 + b"}}"),
    "huge": says(b'{"state": "success", "data": {"phone": "' + b"1" * 6_000_000 + b'"}}'),
}


@pytest.mark.parametrize("kind", BAD)
def test_nonsense_is_a_call_as_it_was(actions: Actions, transport: tuple[str, ...], kind: str) -> None:
    """
    Whatever answers in hookd's place, or does not, the connector gets its own value back, type and all.
    """
    with answering(BAD[kind]) as url:
        actions.install(url, "process_client_phone", limit_s=PATIENCE_S)
        reply = actions.ask("process_client_phone", {"phone": 79001234567, "call_full": {}}, *transport)

    assert reply == {"state": "success", "data": {"phone": 79001234567}}


def test_nobody_reads_a_large_request(actions: Actions, transport: tuple[str, ...]) -> None:
    """
    A peer that accepts and never reads does not hold the connector up in writing either.
    """
    with answering(never) as url:
        actions.install(url, "process_client_phone", limit_s=PATIENCE_S)
        params = {"phone": "2", "name": "x" * 8_000_000}
        reply = actions.ask("process_client_phone", params, *transport, "-d", "memory_limit=512M")

    assert reply["data"] == {"phone": "2"}


DOWN = "http://127.0.0.1:9"  # discard: nobody listens


@pytest.mark.parametrize("point", POINTS)
def test_without_hookd_every_call_stays_as_it_is(actions: Actions, point: str) -> None:
    """
    For each sample of each point the bridge gives by itself what hookd gives as the unchanged reply.
    """
    actions.install(f"http://127.0.0.1:{free_port()}", point)
    requests = [samples.sample(POINTS[point], name) for name in samples.names(POINTS[point])]

    replies = actions.ask_all([(point, request) for request in requests])

    assert [as_php(reply) for reply in replies] == [as_php(unchanged(point, request)) for request in requests]


def test_without_hookd_odd_requests_get_their_values_too(tmp_path: Path) -> None:
    """
    The path of a recording under any of its names, a request in params, missing keys and old names: as hookd does it.
    """
    directory = tmp_path / "x"
    directory.mkdir()
    actions = Actions(directory)
    actions.directory = actions.directory.rename(directory / "custom")
    actions.install(DOWN)
    asked: list[tuple[str, Json]] = [
        ("process_record_file_path", {"call_id": "1", "record": "/a.wav", "file_path": 5}),
        ("process_originate_params", {"params": {"extension": "8900", "priority": "1"}}),
        ("customize_autodistribution", {"from": "1"}),
        ("process_registration_params", {"PHONE_NUMBER": 5, "TYPE": 2, "SHOW": None, "call_full": None}),
        ("post_registration", []),
    ]

    replies = actions.ask_all(asked)
    entity = actions.ask("get_updated_lead_fields", {"call_full": {}})

    assert replies == [
        {"state": "success", "data": {"record": "/a.wav"}},
        {"state": "success", "data": {"extension": "8900", "priority": "1"}},
        {"state": "success", "data": {"number": "", "name": ""}},
        {"state": "success", "data": {"PHONE_NUMBER": 5, "TYPE": 2, "SHOW": None}},
        {"state": "success"},
    ]
    assert entity == {"state": "success", "data": []}


def test_without_its_config_the_bridge_changes_nothing(actions: Actions) -> None:
    """
    A config that is gone, broken or no array, and an action under an unknown name: the call goes on, quietly.
    """
    actions.install(DOWN, "process_client_phone")
    file = actions.directory / "hookd" / "config.php"
    shutil.copy(actions.directory / "process_client_phone.php", actions.directory / "process_other.php")
    asked: list[tuple[str, Json]] = [
        ("process_client_phone", {"phone": "2"}),
        ("process_other", {"x": 1, "call_full": {"a": 1}}),
    ]

    file.unlink()
    gone = actions.ask_all(asked)
    file.write_text("<?php return 5;")
    odd = actions.ask_all(asked)
    file.write_text("<?php return array(")
    broken = actions.ask_all(asked)
    file.write_text("<?php return array('url' => 5);")
    poor = actions.ask_all(asked)

    expected = [{"state": "success", "data": {"phone": "2"}}, {"state": "success", "data": {"x": 1}}]
    assert [gone, odd, broken, poor] == [expected] * 4


def test_an_error_handler_of_the_connectors_never_sees_the_bridge(actions: Actions) -> None:
    """
    Where the including process makes exceptions of warnings, the bridge's failed attempts raise none, and its handler
    is in force again afterwards; bytes that are no UTF-8 change nothing.
    """
    actions.install(DOWN, "process_client_phone")
    program = r"""
        set_error_handler(function ($number, $message) { throw new ErrorException($message); });
        $params = array('phone' => "\xff");
        $reply = include $argv[1];
        echo bin2hex($reply['data']['phone']);
        try { echo $undefined; } catch (ErrorException $error) { echo ' ', $error->getMessage(); }
    """

    said = php("-r", program, "--", str(actions.directory / "process_client_phone.php"))

    assert said == "ff Undefined variable $undefined"


def test_the_old_action_may_step_in(actions: Actions) -> None:
    """
    With --fallback old, the action that the bridge has replaced answers while hookd does not, with its $params.
    """
    old = "<?php\nif ($params['phone'] === '2') { $number = '3'; }\n"
    old += "return array('state' => 'success', 'data' => array('phone' => $number));\n"
    (actions.directory / "process_client_phone.php").write_text(old)
    actions.install(DOWN, "process_client_phone", "process_user_phone", fallback=config.OLD_ACTION)

    replies = actions.ask_all([("process_client_phone", {"phone": "2"}), ("process_user_phone", {"phone": "2"})])

    assert [reply["data"] for reply in replies] == [{"phone": "3"}, {"phone": "2"}]


# ---- the file --------------------------------------------------------------------------------------------------


def test_the_table_of_points_is_current() -> None:
    """
    The unchanged replies in the PHP file are those of hookd/points.py.
    """
    text = ACTION.read_text("utf-8")

    assert text == with_points(text)


def test_values_are_written_as_php_reads_them() -> None:
    """
    What stands in the config and the table is read back as the same value.
    """
    value = {"a": [1, 2.5, True, False, None, "", "it's \\ \"$x\" \\'", "Ж"], "b": {"c": {}}, "5": -1}

    read = json.loads(php("-r", f"echo json_encode({literal(value)});"))

    assert read == as_php(value)


TOKENS = r"""
    $tokens = array();
    foreach (token_get_all(file_get_contents($argv[1])) as $token) {
        $tokens[] = is_array($token) ? array(token_name($token[0]), $token[1]) : array($token, $token);
    }
    echo json_encode($tokens);
"""
SILENT = {"T_WHITESPACE", "T_COMMENT", "T_DOC_COMMENT", "T_OPEN_TAG"}
# All that the file is made of, each of them in PHP 5.6; what is new since then has tokens of its own.
SYNTAX = {
    *("T_VARIABLE", "T_STRING", "T_CONSTANT_ENCAPSED_STRING", "T_ENCAPSED_AND_WHITESPACE", "T_LNUMBER", "T_DNUMBER"),
    *("T_FUNCTION", "T_USE", "T_RETURN", "T_IF", "T_ELSEIF", "T_ELSE", "T_FOREACH", "T_AS", "T_WHILE", "T_CONTINUE"),
    *("T_BREAK", "T_TRY", "T_CATCH", "T_THROW", "T_NEW", "T_ARRAY", "T_ISSET", "T_INCLUDE", "T_FILE", "T_DOUBLE_ARROW"),
    *("T_OBJECT_OPERATOR", "T_IS_IDENTICAL", "T_IS_NOT_IDENTICAL", "T_IS_SMALLER_OR_EQUAL", "T_BOOLEAN_AND"),
    *("T_BOOLEAN_OR", "T_CONCAT_EQUAL", "T_OR_EQUAL", "T_INT_CAST", "T_STRING_CAST", "T_OBJECT_CAST", "T_ARRAY_CAST"),
    *("T_AMPERSAND_FOLLOWED_BY_VAR_OR_VARARG", "T_AMPERSAND_NOT_FOLLOWED_BY_VAR_OR_VARARG"),
}
# Functions and constants by name; the manual has each since PHP 5.6 at the latest.
KNOWN = {
    *("array_diff_key", "array_key_exists", "array_map", "array_merge", "array_reverse", "array_values", "basename"),
    *("call_user_func", "constant", "count", "curl_error", "curl_exec", "curl_getinfo", "curl_init"),
    *("curl_setopt_array", "defined", "dirname", "explode", "fclose", "feof", "fread", "function_exists", "fwrite"),
    *("implode", "is_array", "is_file", "is_object", "is_string", "json_decode", "json_encode", "microtime", "min"),
    *("parse_url", "preg_match", "restore_error_handler", "rtrim", "set_error_handler", "stream_context_create"),
    *("stream_select", "stream_set_timeout", "stream_socket_client", "strlen", "strncmp", "substr", "syslog"),
    *("true", "false", "null", "Exception", "RuntimeException", "Throwable", "getMessage", "state", "data"),
    *("CURLINFO_HTTP_CODE", "CURLOPT_CAINFO", "CURLOPT_CONNECTTIMEOUT_MS", "CURLOPT_FOLLOWLOCATION"),
    *("CURLOPT_HTTPHEADER", "CURLOPT_NOSIGNAL", "CURLOPT_POST", "CURLOPT_POSTFIELDS", "CURLOPT_PROXY"),
    *("CURLOPT_TIMEOUT_MS", "CURLOPT_WRITEFUNCTION", "JSON_BIGINT_AS_STRING", "JSON_UNESCAPED_SLASHES"),
    *("JSON_UNESCAPED_UNICODE", "LOG_WARNING", "PHP_INT_SIZE", "STREAM_CLIENT_CONNECT"),
}


def tokens() -> list[tuple[str, str]]:
    found = json.loads(php("-r", TOKENS, "--", str(ACTION)))
    return [(name, text) for name, text in found if name not in SILENT]


def test_the_file_is_php_5_6() -> None:
    """
    It has no syntax, no function and no constant that PHP 5.6 lacks: no types, no ??, no short arrays, no comma after a
    call's last argument.
    """
    found = tokens()

    words = {name for name, _ in found if name.startswith("T_")}
    assert words <= SYNTAX
    assert {text for name, text in found if name == "T_STRING"} <= KNOWN
    opened: list[str] = []
    for index, (name, text) in enumerate(found):
        before = found[index - 1][1]
        if text == "(":
            opened.append(before)
        elif text == ")":
            assert opened.pop() == "array" or before != ",", f"a comma before ) at token {index}"
        elif text == "[":
            assert before[-1] in "])" or found[index - 1][0] in ("T_VARIABLE", "T_STRING"), "a short array"
        elif name == "T_FUNCTION":
            end = next(place for place in range(index, len(found)) if found[place][1] == ")")
            inside = {kind for kind, _ in found[index + 2 : end]}
            assert inside <= {"T_VARIABLE", ",", "T_AMPERSAND_FOLLOWED_BY_VAR_OR_VARARG", "&"}, "a type"
            assert found[end + 1][1] in ("use", "{"), "a type of what is returned"


def test_the_file_declares_nothing() -> None:
    """
    Included twice in one process it clashes with nothing: no named function, no class, no constant, one variable.
    """
    found = tokens()

    following = {found[index + 1][1] for index, (name, _) in enumerate(found) if name == "T_FUNCTION"}
    assert following == {"("}
    program = "$params = array('phone' => '1'); include $argv[1]; echo implode(' ', array_keys(get_defined_vars()));"
    said = php("-r", f"call_user_func(function () use ($argv) {{ {program} }});", "--", str(ACTION))
    assert said == "argv params hookd_reply"


if __name__ == "__main__":
    ACTION.write_text(with_points(ACTION.read_text("utf-8")), "utf-8")
