"""
The peers: hookd and what one would take in its place, each as the programs it needs and the commands that start it.

A new peer is a function that writes its configuration into a folder of its own and returns commands, and a row in
PEERS. Every peer gets the same number of processes, as far as it lets itself be told.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

import hookd
from benchmarks.request import POINT
from benchmarks.servers import Command, Place, accepts, answers

HERE = Path(__file__).parent
ROOT = HERE.parent
FLASK_THREADS = 8  # gthread, per process
PHP_CHILDREN = 16  # static; as many as the Flask view has threads on two cores
SBIN = ("/usr/sbin", "/usr/local/sbin")  # where Debian keeps servers, off the PATH of ordinary users


@dataclass(frozen=True, slots=True)
class Peer:
    """
    One server under test.

    Attributes:
        name: The word for `--only` and the table.
        summary: What it is and how it is set up.
        programs: The executables it needs, and how to get each.
        commands: What starts it, in order; may write into the place's folder.
        version: What exactly was measured; called only where no program is missing.
    """

    name: str
    summary: str
    programs: Mapping[str, str]
    commands: Callable[[Place], tuple[Command, ...]]
    version: Callable[[], str]

    def missing(self) -> list[str]:
        """Return a line for each program that is not there, with how to get it."""
        return [f"{name} is missing: {remedy}" for name, remedy in self.programs.items() if not find(name)]


def find(program: str) -> str | None:
    """
    Return the path of an executable: beside this Python, on the PATH, or in the sbin folders.

    Where the plain name is not there, the newest of `name8.2`, `name8.4`, …: Debian installs php-fpm so.
    """
    folders = [str(Path(sys.executable).parent), *os.get_exec_path(), *SBIN]
    versioned = [path for folder in folders for path in Path(folder).glob(f"{program}[0-9]*.[0-9]*")]
    newest = max((path.name for path in versioned), key=lambda name: (len(name), name), default=program)
    path = os.pathsep.join(folders)
    return shutil.which(program, path=path) or shutil.which(newest, path=path)


def _hookd(place: Place) -> tuple[Command, ...]:
    return _serve(place, (_path("hookd"),), {})


def _unjailed(place: Place) -> tuple[Command, ...]:
    return _serve(place, (sys.executable, str(HERE / "unjailed.py")), {"allow_weak_isolation": True})


def _unrecorded(place: Place) -> tuple[Command, ...]:
    return _serve(place, (_path("hookd"),), {}, site='[site]\nrecord = "off"\n')


def _serve(place: Place, program: tuple[str, ...], more: Mapping[str, bool], *, site: str = "") -> tuple[Command, ...]:
    hooks = place.folder / "hooks"
    hooks.mkdir()
    shutil.copy(HERE / "hook.py", hooks / f"{POINT}.py")
    config = place.folder / "hookd.toml"
    settings = {"bind": f"127.0.0.1:{place.port}", "state": str(place.folder / "var"), "hooks": str(hooks)}
    # JSON's strings and booleans are TOML's too. Nothing else is set: what ships is what is measured.
    config.write_text(
        "".join(f"{key} = {json.dumps(value)}\n" for key, value in {**settings, **more}.items()) + site, "utf-8"
    )

    argv = (*program, "serve", "--config", str(config))
    return (Command(argv, partial(answers, place.port, "/readyz")),)


def _flask(place: Place) -> tuple[Command, ...]:
    options = {
        "bind": f"127.0.0.1:{place.port}",
        "chdir": str(ROOT),
        "worker-class": "gthread",
        "workers": place.processes,
        "threads": FLASK_THREADS,
    }
    argv = (_path("gunicorn"), *(f"--{key}={value}" for key, value in options.items()), "benchmarks.flask_app:app")
    return (Command(argv, partial(accepts, ("127.0.0.1", place.port))),)


def _functions_framework(place: Place) -> tuple[Command, ...]:
    options = {
        "source": str(HERE / "functions_app.py"),
        "target": "answer",
        "host": "127.0.0.1",
        "port": place.port,
    }
    argv = (_path("functions-framework"), *(f"--{key}={value}" for key, value in options.items()))
    variables = {"WORKERS": str(place.processes), "PYTHONPATH": str(ROOT)}
    return (Command(argv, partial(accepts, ("127.0.0.1", place.port)), variables),)


_FPM_CONF = """\
[global]
error_log = {folder}/php-fpm.log
daemonize = no
[benchmark]
{user}
listen = {folder}/php.sock
pm = static
pm.max_children = {children}
"""

_NGINX_CONF = """\
{user}
worker_processes {processes};
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    fastcgi_temp_path {folder}/fastcgi;
    proxy_temp_path {folder}/proxy;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    server {{
        listen 127.0.0.1:{port};
        location = /{point} {{
            fastcgi_pass unix:{folder}/php.sock;
            fastcgi_param SCRIPT_FILENAME {script};
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;
        }}
    }}
}}
"""


def _nginx_php(place: Place) -> tuple[Command, ...]:
    folder = place.folder
    is_root = os.geteuid() == 0
    # Root's children would go on as somebody who may not enter our folder; anybody else's stay who they are.
    fpm_conf = _FPM_CONF.format(folder=folder, user="user = root" if is_root else "", children=PHP_CHILDREN)
    nginx_conf = _NGINX_CONF.format(
        folder=folder,
        user="user root;" if is_root else "",
        processes=place.processes,
        port=place.port,
        point=POINT,
        script=HERE / "hook.php",
    )
    (folder / "php-fpm.conf").write_text(fpm_conf, "utf-8")
    (folder / "nginx.conf").write_text(nginx_conf, "utf-8")

    allow_root = ("--allow-to-run-as-root",) if is_root else ()
    fpm_argv = (_path("php-fpm"), *allow_root, "--fpm-config", f"{folder}/php-fpm.conf", "-d", "opcache.enable=1")
    nginx_argv = (_path("nginx"), "-e", "stderr", "-p", str(folder), "-c", f"{folder}/nginx.conf")
    return (
        Command(fpm_argv, partial(accepts, f"{folder}/php.sock")),
        Command(nginx_argv, partial(accepts, ("127.0.0.1", place.port))),
    )


def _path(program: str) -> str:
    return find(program) or program


def _packages(*names: str) -> str:
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)


def _nginx_php_version() -> str:
    nginx = _first(r"nginx/(\S+)", _said(_path("nginx"), "-v"))
    about_php = _said(_path("php-fpm"), "-v")
    php = _first(r"PHP (\S+)", about_php)
    return f"nginx {nginx}, PHP {php}, {'with' if 'Zend OPcache' in about_php else 'without'} OPcache"


def _said(*argv: str) -> str:
    """What a program says of itself, wherever it says it and whatever it ends with."""
    process = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return process.stdout


def _first(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else "of unknown version"


_TABLE = (
    Peer(
        "hookd",
        "everything switched on: sandbox, schemas both ways, metrics",
        {"hookd": "pip install -e ."},
        _hookd,
        lambda: f"hookd {hookd.__version__}, {_packages('gunicorn', 'uvicorn', 'RestrictedPython')}",
    ),
    Peer(
        "unjailed",
        "hookd without the jail: workers are plain processes with the language layer",
        {"hookd": "pip install -e ."},
        _unjailed,
        lambda: f"hookd {hookd.__version__}",
    ),
    Peer(
        "unrecorded",
        "hookd without its journal",
        {"hookd": "pip install -e ."},
        _unrecorded,
        lambda: f"hookd {hookd.__version__}",
    ),
    Peer(
        "flask",
        f"a Flask view that answers a constant, gunicorn gthread, {FLASK_THREADS} threads a process",
        {"gunicorn": "pip install gunicorn flask"},
        _flask,
        lambda: _packages("flask", "gunicorn"),
    ),
    Peer(
        "functions-framework",
        "the same hook, its own server with its defaults",
        {"functions-framework": "pip install functions-framework"},
        _functions_framework,
        lambda: _packages("functions-framework", "flask", "gunicorn"),
    ),
    Peer(
        "nginx-php",
        f"the same hook in PHP, php-fpm with {PHP_CHILDREN} children behind nginx on a unix socket",
        {"nginx": "apt-get install nginx-light", "php-fpm": "apt-get install php-fpm"},
        _nginx_php,
        _nginx_php_version,
    ),
)

PEERS: Mapping[str, Peer] = MappingProxyType({peer.name: peer for peer in _TABLE})
