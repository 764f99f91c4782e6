"""
Tokens are unreadable without the key, and nowhere else than where they belong.
"""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookd.errors import VaultError
from hookd.portal.vault import NAME, Vault

TEXTS = st.text(st.characters(codec="utf-8"), max_size=50)


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    return Vault(tmp_path_factory.mktemp("state"))


@given(text=TEXTS, site=TEXTS, member=TEXTS)
def test_opens_what_it_sealed(vault: Vault, text: str, site: str, member: str) -> None:
    """
    Every text comes back, and what is sealed does not show it.
    """
    sealed = vault.seal(text, site, member)

    assert vault.open(sealed, site, member) == text
    assert len(text) < 3 or text not in sealed
    assert not text or vault.seal(text, site, member) != sealed


@pytest.mark.parametrize("about", [("b", "c"), ("a", "d"), ("ab", "c"), ("a",), ("a", "c", ""), ()])
def test_a_text_belongs_to_one_place(vault: Vault, about: tuple[str, ...]) -> None:
    """
    A row that was copied to another site or portal does not open there.
    """
    sealed = vault.seal("token", "a", "c")

    with pytest.raises(VaultError, match="is not the key"):
        vault.open(sealed, *about)
    assert vault.mark("token", *about) != vault.mark("token", "a", "c")


def test_nobody_else_may_read_the_key(tmp_path: Path) -> None:
    """
    The key and its directory are the owner's alone, whatever the umask allows.
    """
    before = os.umask(0)
    try:
        Vault(tmp_path / "var").seal("token")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "var").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "var" / NAME).stat().st_mode) == 0o600
    assert os.listdir(tmp_path / "var") == [NAME]


def test_all_processes_have_the_same_key(tmp_path: Path) -> None:
    """
    Those that come upon an empty directory at the same moment agree, and so does a restart.
    """
    vaults = [Vault(tmp_path) for _ in range(16)]

    with ThreadPoolExecutor(16) as threads:
        sealed = list(threads.map(lambda vault: vault.seal("token", "a"), vaults))

    assert [Vault(tmp_path).open(one, "a") for one in sealed] == ["token"] * 16


@pytest.mark.parametrize("content", [b"", b"short", b"%%%", b"A" * 100])
def test_says_that_the_key_is_damaged(tmp_path: Path, content: bytes) -> None:
    """
    A key that is none is not replaced: the tokens would be lost with it.
    """
    (tmp_path / NAME).write_bytes(content)

    with pytest.raises(VaultError) as caught:
        Vault(tmp_path).seal("token")

    assert (
        str(caught.value) == f"{tmp_path / NAME}: is damaged: 32 bytes in base64 are expected. Put back a copy of it."
    )
    assert (tmp_path / NAME).read_bytes() == content


def test_says_that_the_key_is_another_one(tmp_path: Path) -> None:
    """
    With another key, whoever operates it learns what to do.
    """
    sealed = Vault(tmp_path / "a").seal("token", "default", "m1", "access")

    with pytest.raises(VaultError) as caught:
        Vault(tmp_path / "b").open(sealed, "default", "m1", "access")

    assert str(caught.value) == (
        f"{tmp_path / 'b' / NAME}: is not the key that the tokens of default m1 were kept with. Put back the file, or "
        "open the app in the portal as its administrator: it is then installed anew."
    )
