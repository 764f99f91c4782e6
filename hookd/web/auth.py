"""
Who may ask what.

A site's points want one of the site's tokens; the operator's pages one of the operator's. Where no token is set, only
this machine may ask, and only as itself: a request that a browser made for a web page (Origin), or by a name that an
attacker's DNS may have pointed here (Host), is refused. Tokens come as `Authorization: Bearer TOKEN`, or as the
password of Basic credentials, since some senders can be given nothing but a URL.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hookd.errors import MissingTokenError, RefusedError
from hookd.hosts import is_loopback

# What a proxy adds: whoever asks through one is not this machine, though the connection comes from it.
_PROXY_HEADERS = (b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via")


@dataclass(frozen=True, slots=True)
class Caller:
    """
    What is known of who asks.

    Attributes:
        host: Peer address; "" where the connection is a unix socket.
        headers: Lower-case name → value.
    """

    host: str
    headers: Mapping[bytes, bytes]

    @property
    def is_local(self) -> bool:
        """Whether it is this machine, asking directly."""
        if any(name in self.headers for name in _PROXY_HEADERS):
            return False
        return not self.host or is_loopback(self.host)


def allow(caller: Caller, tokens: Sequence[str], what: str) -> None:
    """
    Let *caller* pass if it may ask *what*, which *tokens* protect.

    Raises:
        MissingTokenError: A token is needed, and there is none.
        RefusedError: The token is a wrong one, or nobody but this machine may ask.
    """
    if tokens:
        _check_token(caller, tokens, what)
    elif not caller.is_local:
        raise RefusedError(f"{what}: no token is set for this, so only this machine may ask, without a proxy between")
    else:
        _check_browser(caller)


def is_trusted(caller: Caller, tokens: Sequence[str]) -> bool:
    """
    Return whether *caller* may read details: it shows one of *tokens*, or is this machine.
    """
    try:
        allow(caller, tokens, "details")
    except RefusedError:
        return caller.is_local and not _is_browsing(caller)
    return True


def _check_token(caller: Caller, tokens: Sequence[str], what: str) -> None:
    shown = _shown(caller.headers.get(b"authorization", b""))
    if shown is None:
        raise MissingTokenError(f"{what}: send a token: Authorization: Bearer TOKEN")
    # Every token is compared, so that the time tells nothing about which one came close.
    if not sum([hmac.compare_digest(shown, token.encode()) for token in tokens]):
        raise RefusedError(f"{what}: this token is not one of its tokens")


def _is_browsing(caller: Caller) -> bool:
    try:
        _check_browser(caller)
    except RefusedError:
        return True
    return False


def _check_browser(caller: Caller) -> None:
    if b"origin" in caller.headers:
        raise RefusedError("a web page may not ask hookd; there is no token set (Origin header)")
    host = caller.headers.get(b"host", b"").decode("latin-1")
    if host and not _is_loopback_name(host):
        raise RefusedError(
            f"the Host {host[:80]!r} is no name of this machine's loopback; ask for 127.0.0.1 or set a token"
        )


@lru_cache(256)
def _is_loopback_name(host: str) -> bool:
    host = host.strip().lower()
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    return is_loopback(name)


def _shown(authorization: bytes) -> bytes | None:
    scheme, _, value = authorization.partition(b" ")
    if scheme.lower() == b"bearer" and value.strip():
        return value.strip()
    if scheme.lower() == b"basic":
        try:
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
        except binascii.Error:
            return None
    return None
