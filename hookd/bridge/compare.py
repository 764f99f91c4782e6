"""
An old action of the connector beside the new hook: the same requests, and where the replies differ.

The action runs in a php of its own: without other processes, without connections (in a network namespace of its own
too, where the system allows that), and not for long. It is the integrator's own code and may write files: whoever
compares decides as whom.
"""

import functools
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hookd import documents
from hookd.contract.shapes import conversion, fitted, whole
from hookd.differences import Difference, differences
from hookd.documents import Json
from hookd.errors import NotJsonError, UsageError
from hookd.points import Point, Unchanged

ACTION_S = 10.0  # as long as the connector waits for anything
REPLY_BYTES = 4 * 1024 * 1024
SAID_CHARACTERS = 300  # of what PHP says of an action that failed

# What would act on something: other processes, connections, mail.
_DISABLED = (
    *("exec", "passthru", "pcntl_exec", "pcntl_fork", "popen", "proc_open", "shell_exec", "system"),
    *("curl_exec", "curl_multi_exec", "fsockopen", "pfsockopen", "stream_socket_client", "stream_socket_server"),
    *("socket_connect", "socket_create", "socket_sendto", "ftp_connect", "ftp_ssl_connect", "ldap_connect"),
    *("mysqli_connect", "mysqli_real_connect", "pg_connect", "pg_pconnect"),
    *("dns_get_record", "gethostbyname", "gethostbyaddr", "gethostbynamel", "getmxrr", "checkdnsrr"),
    *("mail", "imap_open", "dl", "link", "symlink", "posix_kill"),
)
_SETTINGS = (
    f"disable_functions={','.join(_DISABLED)}",
    "allow_url_fopen=0",
    "allow_url_include=0",
    "display_errors=stderr",
    "html_errors=0",
    "log_errors=0",
    f"max_execution_time={ACTION_S:.0f}",
    "opcache.enable_cli=0",
)
# The action is included as the connector does it: with the request in $params, for the array that it returns.
_PROGRAM = """\
$hookd_text = call_user_func(function ($params, $file) {
    ob_start();
    $reply = include $file;
    ob_end_clean();
    return json_encode(array('reply' => $reply), JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE
        | (defined('JSON_PRESERVE_ZERO_FRACTION') ? constant('JSON_PRESERVE_ZERO_FRACTION') : 0));
}, json_decode(stream_get_contents(STDIN), true), $argv[1]);
fwrite(STDOUT, $hookd_text === false ? 'its reply cannot be written as JSON' : $hookd_text);
"""


@dataclass(frozen=True, slots=True)
class Old:
    """
    What an old action did.

    Attributes:
        reply: What it returned; no meaning with a fault.
        fault: Why it returned nothing that can be compared; "" otherwise.
    """

    reply: Json = None
    fault: str = ""


def find_php(name: str) -> str:
    """
    Return the php to use.

    Raises:
        UsageError: It does not run.
    """
    try:
        done = subprocess.run([name, "-r", "echo 1;"], capture_output=True, timeout=ACTION_S, check=False)
        is_php = done.stdout == b"1"
    except (OSError, subprocess.TimeoutExpired):
        is_php = False
    if not is_php:
        raise UsageError(f"{name}: is no php that runs; install it (apt-get install php-cli), or name one with --php")
    return name


def run_action(php: str, action: Path, request: Json, *, limit_s: float = ACTION_S) -> Old:
    """
    Return what the PHP file *action* makes of *request*.
    """
    settings = [word for setting in _SETTINGS for word in ("-d", setting)]
    command = [*_without_network(), php, *settings, "-r", _PROGRAM, "--", str(action.absolute())]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=limit_s,
            cwd=action.parent,
            env={key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "TZ", "PHP_INI_SCAN_DIR")},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Old(fault=f"was stopped after {limit_s:g} s")
    return _read(done.stdout, done.stderr)


def compare(point: Point, old: Old, reply: Json) -> list[Difference]:
    """
    Return where the hook's *reply* differs from the *old* action's, once both are as the contract has them.
    """
    return list(differences(_normalized(point, old.reply), _normalized(point, reply)))


def _normalized(point: Point, reply: Json) -> Json:
    """Return *reply* with one type for each kind of value: 5.0 is 5, "1" is 1 where a flag is meant, [] an object."""
    if not isinstance(reply, dict):
        return reply
    if point.unchanged is Unchanged.NOTHING:
        return {"state": reply.get("state")}
    data = reply.get("data")
    data = {} if data in ([], None) else data
    if isinstance(data, dict):
        data = {key: _fitting(point, key, whole(value)) for key, value in data.items()}
    return {"data": data, "state": reply.get("state")}


def _fitting(point: Point, key: str, value: Json) -> Json:
    if point.unchanged is Unchanged.CONSTANT and isinstance(point.constant.get(key), bool) and value in (0, 1):
        return bool(value)
    shape = point.keys.get(key)
    convert = conversion(key, shape) if shape is not None else None
    return fitted(point, key, convert(value) if convert else value)


@functools.cache
def _without_network() -> Sequence[str]:
    """Return the command that runs another one without a network, if there is one here."""
    for command in (("unshare", "--net", "--"), ("unshare", "--net", "--map-root-user", "--")):
        try:
            if subprocess.run([*command, "true"], capture_output=True, timeout=ACTION_S, check=False).returncode == 0:
                return command
        except (OSError, subprocess.TimeoutExpired):
            continue
    return ()


def _read(out: bytes, said: bytes) -> Old:
    if len(out) > REPLY_BYTES:
        return Old(fault=f"returned more than {REPLY_BYTES} bytes")
    try:
        found = documents.parse(out)
        if isinstance(found, dict) and isinstance(found.get("reply"), dict):
            return Old(found["reply"])
    except NotJsonError:
        found = None
    lines = list(_lines(said)) or list(_lines(out if found is None else b""))
    if not lines:
        return Old(fault="returned no array with state and data")
    hint = ". There are no connections and no other processes here" if "undefined function" in lines[0] else ""
    return Old(fault=f"{lines[0]}{hint}")


def _lines(text: bytes) -> Iterator[str]:
    for line in text.decode(errors="replace").splitlines():
        if line.strip():
            yield line.strip()[:SAID_CHARACTERS]
