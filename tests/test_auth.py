"""
Who may ask what: tokens where there are some, else this machine only, and never a web page.
"""

import base64

import pytest

from hookd.errors import MissingTokenError, RefusedError
from hookd.web.auth import Caller, allow, is_trusted

TOKENS = ("first-token-of-site", "second-token-of-site")


def caller(address: str = "127.0.0.1", /, **headers: str) -> Caller:
    return Caller(address, {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()})


@pytest.mark.parametrize(
    "asking",
    [
        caller("203.0.113.5", authorization="Bearer first-token-of-site"),
        caller("203.0.113.5", authorization="bearer second-token-of-site"),
        caller(authorization="Basic " + base64.b64encode(b"any:second-token-of-site").decode()),
        caller("203.0.113.5", authorization="Bearer first-token-of-site", origin="https://x.example", host="x.example"),
    ],
)
def test_any_of_the_tokens_opens(asking: Caller) -> None:
    """
    Every token of the site opens it, as Bearer or as Basic's password, from anywhere.
    """
    allow(asking, TOKENS, "site a")

    assert is_trusted(asking, TOKENS)


@pytest.mark.parametrize("authorization", ["Bearer wrong-token-of-site", "Bearer first-token-of-sit", "Basic eDp5"])
def test_a_wrong_token_is_refused(authorization: str) -> None:
    """
    A token that is not the site's is 403, even from this machine.
    """
    with pytest.raises(RefusedError, match="site a: this token is not one of its tokens") as caught:
        allow(caller(authorization=authorization), TOKENS, "site a")

    assert caught.value.status == 403


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Digest x", "Basic %%%"])
def test_no_token_is_unauthorized(authorization: str) -> None:
    """
    Where a token is needed, none is 401, with how to send one.
    """
    with pytest.raises(MissingTokenError, match="send a token: Authorization: Bearer TOKEN") as caught:
        allow(caller(authorization=authorization), TOKENS, "site a")

    assert caught.value.status == 401


@pytest.mark.parametrize("host", ["", "127.0.0.1", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]"])
def test_this_machine_may_ask_without_tokens(host: str) -> None:
    """
    On the loopback, under a loopback name, everything is open where no token is set.
    """
    for address in ("127.0.0.1", "127.0.0.9", "::1", ""):
        allow(caller(address, host=host), (), "site a")


@pytest.mark.parametrize(
    ("asking", "message"),
    [
        (caller("203.0.113.5"), "no token is set for this, so only this machine may ask"),
        (caller("127.0.0.1", x_forwarded_for="203.0.113.5"), "no token is set for this, so only this machine may ask"),
        (caller("127.0.0.1", forwarded="for=127.0.0.1"), "without a proxy between"),
        (caller("127.0.0.1", origin="http://localhost:3000"), "a web page may not ask hookd"),
        (caller("127.0.0.1", origin="null"), "a web page may not ask hookd"),
        (caller("127.0.0.1", host="evil.example:8080"), "the Host 'evil.example:8080' is no name of this machine's"),
        (caller("127.0.0.1", host="127.0.0.1.evil.example"), "is no name of this machine's loopback"),
        (caller("127.0.0.1", host="[2001:db8::1]:80"), "is no name of this machine's loopback"),
    ],
)
def test_without_tokens_nobody_else_may_ask(asking: Caller, message: str) -> None:
    """
    Other machines, whoever comes through a proxy, web pages and rebound names are refused.
    """
    with pytest.raises(RefusedError) as caught:
        allow(asking, (), "site a")

    assert caught.value.status == 403
    assert message in str(caught.value)


def test_details_are_for_those_who_may_ask_and_for_this_machine() -> None:
    """
    Errors of hooks are told to token holders and to this machine, not to strangers or web pages.
    """
    assert is_trusted(caller("127.0.0.1"), TOKENS)
    assert not is_trusted(caller("127.0.0.1", origin="http://x"), TOKENS)
    assert not is_trusted(caller("203.0.113.5"), TOKENS)
    assert not is_trusted(caller("203.0.113.5"), ())
    assert not is_trusted(caller("127.0.0.1", x_forwarded_for="1.2.3.4"), TOKENS)
