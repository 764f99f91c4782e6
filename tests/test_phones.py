"""
`phones` takes numbers as people write them, and knows which are one number.
"""

import subprocess
import sys
from typing import Any

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookd.sandbox.pure import ToolError
from hookd.sandbox.pure.phones import Phones

Json = Any

PHONES = Phones("RU", "343")


@pytest.mark.parametrize(
    ("written", "e164"),
    [
        ("+79001234567", "+79001234567"),
        ("+7 900 123-45-67", "+79001234567"),
        ("8 (900) 123-45-67", "+79001234567"),
        ("89001234567", "+79001234567"),
        ("79001234567", "+79001234567"),
        (79001234567, "+79001234567"),
        (79001234567.0, "+79001234567"),
        ("9001234567", "+79001234567"),
        (9001234567, "+79001234567"),
        ("0079001234567", "+79001234567"),
        (" (+7) 900 123 45 67 ", "+79001234567"),
        ("8\u00a0900\u00a0123\u201345\u201367", "+79001234567"),
        ("2723033", "+73432723033"),
        ("272-30-33", "+73432723033"),
        (2723033, "+73432723033"),
        ("8 800 555-35-35", "+78005553535"),
        ("+49 30 901820", "+4930901820"),
        ("004930901820", "+4930901820"),
        ("8 10 49 30 901820", "+4930901820"),
    ],
)
def test_e164(written: Json, e164: str) -> None:
    """
    A valid number has one E.164 form, however it is written.
    """
    assert PHONES.e164(written) == e164


@pytest.mark.parametrize(
    "written",
    [
        None,
        "",
        " ",
        "+",
        "00",
        101,
        "101",
        "*97",
        "112",
        "anonymous",
        "trunk-79001234567",
        "+7900123456",
        "+79001234567890",
        "8 900 123-45-67, 8 900 123-45-68",
        "9" * 1000,
        "²²²",
    ],
)
def test_what_is_no_valid_number_has_no_e164_form(written: Json) -> None:
    """
    Extensions, codes, names, and numbers too short or too long have no E.164 form.
    """
    assert PHONES.e164(written) is None


def test_other_countries_read_their_own_way() -> None:
    """
    Region and area code are the site's: without them only international numbers are known.
    """
    found = {
        "DE": [Phones("DE", "30").e164(n) for n in ("901820", "030 901820", "0030 2101234567")],
        "AU": [Phones("AU", "").e164(n) for n in ("0011 7 900 123 45 67", "901820", "+61 2 9374 4000")],
        "": [Phones("", "").e164(n) for n in ("89001234567", "0079001234567", "+79001234567")],
    }

    assert found == {
        "DE": ["+4930901820", "+4930901820", "+302101234567"],
        "AU": ["+79001234567", None, "+61293744000"],
        "": [None, "+79001234567", "+79001234567"],
    }


@pytest.mark.parametrize(
    ("written", "digits", "national"),
    [
        ("+7 (900) 123-45-67", "79001234567", "9001234567"),
        (89001234567, "89001234567", "9001234567"),
        ("272-30-33", "2723033", "3432723033"),
        ("+49 30 901820", "4930901820", "30901820"),
        ("101", "101", "101"),
        ("*97", "97", "97"),
        ("+7 900", "7900", "7900"),
        ("megafon", "", ""),
        ("", "", ""),
        (None, "", ""),
    ],
)
def test_digits_and_national(written: Json, digits: str, national: str) -> None:
    """
    Digits are what is written without the rest; national is the number without country code and prefix.
    """
    assert (PHONES.digits(written), PHONES.national(written)) == (digits, national)


@pytest.mark.parametrize(
    ("a", "b", "is_same"),
    [
        ("+79001234567", "+79001234567", True),
        ("+79001234567", "8 (900) 123-45-67", True),
        ("+79001234567", 9001234567, True),
        ("2723033", "+7 343 272-30-33", True),
        ("+79001234567", "+79001234568", False),
        ("+4722123456", "4722123456", False),  # Oslo and Belgorod
        ("101", 101, True),
        ("101", "1-0-1", True),
        ("101", "+79000000101", False),
        ("101", "0101", False),
        ("*97", "97", False),
        ("*97", "* 97", True),
        ("Megafon", "megafon", True),
        ("line1", "line2", False),
        ("line1", "1", False),
        ("-", "-", True),
        ("-", "+", False),
        ("", "", False),
        (None, None, False),
        (None, "", False),
        (None, "101", False),
    ],
)
def test_same(a: Json, b: Json, is_same: bool) -> None:
    """
    Valid numbers are compared as numbers, others by their keys, names as text; the unknown is the same as nothing.
    """
    assert (PHONES.same(a, b), PHONES.same(b, a)) == (is_same, is_same)


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset, dict.fromkeys])
def test_contains(kind: Any) -> None:
    """
    A number is found among numbers written in other ways, in any kind of collection.
    """
    numbers = kind(["8 900 123-45-67", 101, "*97"])

    found = [PHONES.contains(numbers, n) for n in ("+79001234567", "101", 101, "*97", "97", "", None, "+79001234568")]

    assert found == [True, True, True, True, False, False, False, False]


def test_contains_skips_what_is_no_number() -> None:
    """
    Odd items in a list are no numbers, and stop nothing.
    """
    numbers: list[Json] = [None, True, {}, ["101"], 1.5, float("nan"), 10**5000, "", "101"]

    assert PHONES.contains(numbers, "101")
    assert not PHONES.contains(numbers, "102")


def test_lookup() -> None:
    """
    The value of the first key that is the number is found, one that is written the same way before others.
    """
    table = {"89001234567": "first", "+79001234567": "exact", 101: "integer", "": "empty"}

    found = [PHONES.lookup(table, n) for n in ("9001234567", "+79001234567", "101", 101, "102", "", None)]

    assert found == ["first", "exact", "integer", "integer", None, None, None]
    assert PHONES.lookup(table, "102", 17) == 17
    assert PHONES.lookup({}, "102", default="none") == "none"


@pytest.mark.parametrize("method", ["e164", "digits", "national"])
@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "bool"),
        ({"number": "1"}, "dict"),
        ([], "list"),
        (1.5, "float"),
        pytest.param(10**5000, "int", id="an integer that Python does not print"),
    ],
)
def test_a_number_that_is_none_is_explained(method: str, value: Json, kind: str) -> None:
    """
    Who hands over an object instead of its number learns where numbers are.
    """
    with pytest.raises(ToolError) as caught:
        getattr(PHONES, method)(value)

    assert (caught.value.message, caught.value.remedy) == (
        f"phones.{method} takes a number as text or integer, not {kind}.",
        "The client's number is call.client_number, the employee's call.extension.",
    )


@pytest.mark.parametrize("numbers", ["101", 101, None])
def test_a_list_that_is_none_is_explained(numbers: Json) -> None:
    """
    contains insists on a collection, lookup on a dict, and each says so.
    """
    kind = "None" if numbers is None else type(numbers).__name__

    with pytest.raises(ToolError, match=rf"phones\.contains takes a list of numbers first, not {kind}\."):
        PHONES.contains(numbers, "101")
    with pytest.raises(ToolError, match=rf"phones\.lookup takes a table first, not {kind}\."):
        PHONES.lookup(numbers, "101")
    with pytest.raises(ToolError, match=r"phones\.lookup takes a number as text or integer, not dict\."):
        PHONES.lookup({}, {})
    with pytest.raises(ToolError, match=r"phones\.contains takes a number as text or integer, not dict\."):
        PHONES.contains([], {})


def test_public_names_are_methods() -> None:
    """
    A hook reaches the six methods and nothing of what they are made of.
    """
    assert {"e164", "digits", "national", "same", "contains", "lookup"} == Phones.PUBLIC
    assert {name for name in dir(Phones) if not name.startswith("_")} == Phones.PUBLIC | {"PUBLIC", "warm_up"}


EVERYWHERE = """
import sys
import phonenumbers
from hookd.sandbox.pure.phones import Phones

Phones("", "").warm_up()
sys.addaudithook(lambda event, facts: sys.exit(f"{event} {facts}") if event in ("open", "import") else None)
numbers = [phonenumbers.example_number(region) for region in phonenumbers.SUPPORTED_REGIONS]
numbers += map(phonenumbers.example_number_for_non_geo_entity, phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS)
e164 = [phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) for number in numbers]
print(len(e164) > 250, [number for number in e164 if Phones("RU", "").e164(number) != number])
"""


def test_after_the_warm_up_no_country_needs_a_file() -> None:
    """
    A number of every country, and of none, is read where no file can be opened.
    """
    done = subprocess.run([sys.executable, "-c", EVERYWHERE], capture_output=True, text=True, timeout=60)

    assert (done.stdout, done.stderr) == ("True []\n", "")


_NUMBERS = (
    st.text("0123456789+ -()*#x", max_size=14)
    | st.integers(0, 10**12)
    | st.sampled_from(["+79001234567", "89001234567", "9001234567", "0079001234567", "2723033", "+4722123456", "101"])
)


@given(_NUMBERS, _NUMBERS)
def test_same_is_its_definition(a: str | int, b: str | int) -> None:
    """
    Shortcuts do not change the answer: E.164 where both have it, else the keys pressed.
    """
    e164 = PHONES.e164(a), PHONES.e164(b)
    keys = ["".join(key for key in str(n) if key in "0123456789*#") for n in (a, b)]
    names = [str(n).strip() for n in (a, b)]

    if all(e164):
        expected = e164[0] == e164[1]
    elif any("x" in name for name in names):
        expected = names[0] == names[1]
    else:
        expected = keys[0] == keys[1] != "" or names[0] == names[1] != ""

    assert PHONES.same(a, b) is expected
    assert PHONES.contains([a], b) is expected
    assert PHONES.lookup({a: True}, b, default=False) is expected


@given(st.text() | st.integers() | st.none(), st.text() | st.integers() | st.none())
def test_never_raises_on_text_and_integers(a: Json, b: Json) -> None:
    """
    Any text and any integer of a sane size is taken; what comes back is valid or None.
    """
    e164 = PHONES.e164(a if not isinstance(a, int) else a % 10**17)

    assert e164 is None or phonenumbers.is_valid_number(phonenumbers.parse(e164))
    if not isinstance(a, int) and not isinstance(b, int):
        assert PHONES.same(a, b) is PHONES.same(b, a)
        assert PHONES.digits(PHONES.national(a)) == PHONES.national(a)
