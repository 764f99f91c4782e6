"""
What the journal writes down identifies nobody and opens no door, and still says who called twice.
"""

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookd.errors import StorageError
from hookd.pseudonyms import KEY_BYTES, KEY_NAME, Pseudonyms, read_key

KEY = b"k" * KEY_BYTES
TOKEN = "site-token-123456789"
masks = Pseudonyms(KEY, (TOKEN,))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("call +79001234567 now", "call +79003049052 now"),
        ("8 (900) 123-45-67", "8 (900) 304-90-52"),
        ("73432723033, 101 and 89001234567", "73432592471, 101 and 89003049052"),
        ("7343-27-23-033", "7343-25-92-471"),
        ("8\u200b900\u2011123\u00a045 67", "8\u200b900\u2011304\u00a090 52"),
        ("8%20900%20123%2045%2067", "8%20900%20304%2090%2052"),
        ("2723033", "2592471"),
        ("8 900 123-45-67 8 900 123-45-68", "8 000 000-00-00 0 000 000-00-00"),
        ("/2025/03/12/in-101-79001234567-1741763700.31.wav", "/2025/03/12/in-101-79003049052-1741763700.31.wav"),
        ("linkedid 1700000000.12", "linkedid 1700000000.12"),
        ("1700000000.123-45-67", "1705608237.104-90-52"),
        ("at 2024-05-01 10:00:00.123456", "at 2024-05-01 10:00:00.123456"),
        ("room 123456, PJSIP/101-001f", "room 123456, PJSIP/101-001f"),
        (f"sent {TOKEN}!", "sent ***!"),
        ("access_token=abcdefgh12345678&x=1", "access_token=***&x=1"),
    ],
)
def test_texts(text: str, kept: str) -> None:
    """
    The last seven digits of a number are others, the same for the same number however it is written; extensions, dates
    and uniqueids stay, tokens go.
    """
    assert masks.text(text) == kept


@given(
    st.text("0123456789", min_size=7, max_size=15),
    st.sampled_from(["", "+", "tel:", "a"]),
    st.sampled_from(["", ";", "b"]),
)
def test_a_number_keeps_its_length_and_its_beginning(digits: str, before: str, after: str) -> None:
    """
    Whatever stands around a number, all before its last seven digits stays, and its length; and it is another number
    than with another key.
    """
    kept = masks.text(f"{before}{digits}{after}")
    other = Pseudonyms(b"o" * KEY_BYTES).text(f"{before}{digits}{after}")

    visible = max(len(digits) - 7, 1)
    assert kept.startswith(before + digits[:visible])
    assert kept.endswith(after)
    assert len(kept) == len(before + digits + after)
    assert kept[len(before) :][: len(digits)].isdigit()
    assert len(other) == len(kept)


def test_documents_keep_their_shape_and_types() -> None:
    """
    Strings, integers, floats and keys are written under their pseudonyms; what a secret's name stands at is gone.
    """
    document = {
        "phone": 79001234567,
        "float": 79001234567.0,
        "negative": -79001234567,
        "duration": 180,
        "big": 123456789012345678901,
        "is_new": True,
        "nothing": None,
        "half": 0.5,
        "89001234567": ["+79001234567", "101", "1741763700.31"],
        "auth": {"access_token": "short", "list": [1]},
        "password": ["one", {"two": "x"}, None, ""],
    }

    kept = masks.document(document)

    assert kept == {
        "phone": 79003049052,
        "float": 79003049052.0,
        "negative": -79003049052,
        "duration": 180,
        "big": 100000000000000000000,
        "is_new": True,
        "nothing": None,
        "half": 0.5,
        "89003049052": ["+79003049052", "101", "1741763700.31"],
        "auth": {"access_token": "***", "list": [1]},
        "password": ["***", {"two": "***"}, None, ""],
    }
    assert [type(value) for value in kept.values()] == [type(value) for value in document.values()]


def test_numbers_stay_where_the_site_says_so() -> None:
    """
    Without a key numbers stay, tokens go all the same.
    """
    plain = Pseudonyms(None, (TOKEN,))

    assert plain.document({"phone": "+79001234567", "n": 79001234567, "token": "x", "text": TOKEN}) == {
        "phone": "+79001234567",
        "n": 79001234567,
        "token": "***",
        "text": "***",
    }


def test_headers_that_open_doors_are_gone() -> None:
    """
    Of headers, those that carry credentials lose their value, whatever it looks like.
    """
    headers = [("authorization", "Bearer x"), ("cookie", "a=b"), ("x-api-key", "1"), ("x-signature", "2"), ("via", "p")]

    assert masks.headers(headers) == {
        "authorization": "***",
        "cookie": "***",
        "x-api-key": "***",
        "x-signature": "***",
        "via": "p",
    }


scalars: Any = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
documents: Any = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(documents)
def test_any_document_can_be_kept(document: Any) -> None:
    """
    No document is too odd; what is kept is JSON, and keeping it twice in the same way gives the same.
    """
    kept = masks.document(document)

    assert masks.document(document) == kept
    json.dumps(kept)


def test_processes_agree_on_the_key(tmp_path: Path) -> None:
    """
    The key is made once, at random, for the owner's eyes, whoever comes first.
    """
    script = (
        "import sys, pathlib; from hookd.pseudonyms import read_key; print(read_key(pathlib.Path(sys.argv[1])).hex())"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "var")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]

    keys = {process.communicate(timeout=60)[0].strip() for process in processes}

    assert keys == {read_key(tmp_path / "var").hex()}
    assert [path.name for path in (tmp_path / "var").iterdir()] == [KEY_NAME]
    assert stat.S_IMODE((tmp_path / "var" / KEY_NAME).stat().st_mode) == 0o600
    assert read_key(tmp_path / "other") != read_key(tmp_path / "var")


@pytest.mark.parametrize("content", [b"", b"short", b"k" * 65])
def test_says_that_the_key_is_damaged(tmp_path: Path, content: bytes) -> None:
    """
    A key that is none is neither used, since an empty one would hide nothing, nor replaced.
    """
    path = tmp_path / KEY_NAME
    path.write_bytes(content)

    with pytest.raises(StorageError) as caught:
        read_key(tmp_path)

    assert str(caught.value) == (
        f"{path}: is damaged: 32 bytes are expected. Put back a copy of it, or remove it: numbers then get other "
        "pseudonyms than those in the journal."
    )
    assert path.read_bytes() == content


def test_says_why_there_is_no_key(tmp_path: Path) -> None:
    """
    What is no file is told, with what to do.
    """
    (tmp_path / KEY_NAME).mkdir()

    with pytest.raises(StorageError) as caught:
        read_key(tmp_path)

    assert str(caught.value) == (
        f"{tmp_path / KEY_NAME}: cannot be read or made: Is a directory. Let the user that hookd runs as read and "
        "write it."
    )
