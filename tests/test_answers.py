"""
Tools in commands and in tests of hooks: nothing acts unless it is told to, and a test has its answers recorded.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from hookd import answers, cases
from hookd.tools import ToolCall
from tests.test_cli import Place
from tests.test_http_tool import Peer, crm

__all__ = ["crm"]  # a fixture

FINDER = """\
def process_client_phone(request, http, store, lists):
    if lists.contains("vip", request["phone"]):
        return None
    known = store.get(request["phone"])
    if known:
        return {"phone": known}
    found = http.get("https://crm.example.org/find", params={"phone": request["phone"]}, timeout_s=0.8)
    found.raise_for_status()
    phone = found.json()["phone"]
    store.set(request["phone"], phone, ttl_s=600)
    return {"phone": phone}
"""
SAMPLE = {"request": {"phone": "101"}, "settings": {}}
STORED = [{"call": "store.get"}, {"call": "store.set", "arguments": {"key": "101", "value": "+7900", "ttl_s": 600}}]
ASKED = {"call": "http.get", "arguments": {"params": {"phone": "101"}}, "answer": {"json": {"phone": "+7900"}}}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A directory with the hook and its list."""
    found = Place(tmp_path)
    found.write("hooks/process_client_phone.py", FINDER)
    found.write("hooks/lists/vip.txt", "+79001234567\n")
    return found


def test_recorded_answers_are_replayed(place: Place) -> None:
    """
    A case passes with the answers that it has: whatever else the tools are, they are not asked.
    """
    known = [{"call": "store.get", "arguments": {"key": "101"}, "answer": "+7911"}]
    down = [{"call": "store.get"}, {"call": "http.get", "error": "http.get crm: no answer within 0.8 s."}]
    refused = [{"call": "store.get"}, {"call": "http.get", "answer": {"status": 403, "text": "no"}}]
    folder = "hooks/tests/process_client_phone"
    place.write(f"{folder}/asks.json", {**SAMPLE, "tools": [*STORED, ASKED], "reply": {"phone": "+7900"}})
    place.write(f"{folder}/knows.json", {**SAMPLE, "tools": known, "reply": {"phone": "+7911"}})
    place.write(f"{folder}/vip.json", {"request": {"phone": "89001234567"}, "settings": {}, "outcome": "unchanged"})
    place.write(f"{folder}/down.json", {**SAMPLE, "tools": down, "outcome": "fallback", "reason": "error"})
    place.write(f"{folder}/refused.json", {**SAMPLE, "tools": refused, "outcome": "fallback", "reason": "error"})

    ended = place.hookd("test")

    assert (ended.code, ended.out, ended.err) == (0, "5 passed, 0 failed\n", "")
    assert not (place.directory / "var").exists()


def test_what_is_not_recorded_fails_the_case(place: Place) -> None:
    """
    An unrecorded call, one with other arguments, and a record that nobody took are differences, even where the hook
    deals with the error; what to record is said.
    """
    tried = "    try:\n        http.get('https://a.example.org/')\n    except Exception:\n        return None\n"
    caught = FINDER.replace("    found = http", f"{tried}    found = http")
    place.write("hooks/process_client_phone.py", caught)
    left = {"call": "http.get", "arguments": {"url": "https://b.example.org/"}, "answer": {}}
    case = {**SAMPLE, "tools": [{"call": "store.get"}, left], "outcome": "unchanged"}
    place.write("hooks/tests/process_client_phone/case.json", case)

    ended = place.hookd("test")

    file = "hooks/tests/process_client_phone/case.json"
    assert (ended.code, ended.out) == (1, "0 passed, 1 failed\n")
    assert ended.err.splitlines() == [
        f'{file}: /tools/1: expected {{"call": "http.get", "arguments": {{"url": "https://b.example.org/"}}}}, '
        "actual nothing",
        f'{file}: /tools/2: expected nothing, actual {{"call": "http.get", "arguments": '
        '{"url": "https://a.example.org/"}}',
    ]


def test_an_unrecorded_call_says_what_to_record(place: Place) -> None:
    """
    The hook's own error has the line to add.
    """
    place.write("hooks/tests/process_client_phone/case.json", {**SAMPLE, "tools": STORED[:1], "outcome": "ok"})

    ended = place.hookd("test", "--format", "json")

    [case] = json.loads(ended.out)["cases"]
    assert case["run"]["error"]["message"] == "http.get is called, and this case has no answer for it."
    assert case["run"]["error"]["remedy"] == (
        'Write it into the case under "tools": {"call": "http.get", "arguments": {…}, '
        '"answer": {"status": 200, "json": {}}}.'
    )


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        ([5], 'tools/0: an object with a "call", such as "http.get", is expected.'),
        ([{"call": "http.got"}], "tools/0/call: http.got cannot be recorded; did you mean http.get? Calls: "),
        ([{"call": "lists.contains"}], "tools/0/call: lists.contains cannot be recorded"),
        (
            [{"call": "http.get", "answre": 1}],
            "tools/0/answre: there is no such key; did you mean answer? Keys: call, arguments, answer, error.",
        ),
        (
            [{"call": "http.get", "arguments": {"uri": 1}, "answer": {}}],
            "tools/0/arguments/uri: http.get has no such argument; did you mean url?",
        ),
        ([{"call": "http.get", "arguments": [], "answer": {}}], "tools/0/arguments: an object is expected."),
        ([{"call": "http.get", "answer": 200}], 'tools/0/answer: an object with "status", "headers", "json" or "text"'),
        ([{"call": "http.get", "answer": {"status": "200"}}], 'tools/0/answer: "status" is a number such as 200.'),
        ([{"call": "http.get", "answer": {"headers": {"a": 1}}}], 'tools/0/answer: "headers" is an object of texts.'),
        ([{"call": "http.get", "answer": {"text": 1}}], 'tools/0/answer: "text" is a text; "json" is for the rest.'),
        ([{"call": "bitrix.list", "answer": {}}], "tools/0/answer: bitrix.list answers a list."),
        (
            [{"call": "bitrix.batch"}],
            "tools/0/answer: bitrix.batch answers a list, or an object where the calls have names.",
        ),
        ([{"call": "bitrix.call", "arguments": {"id": 1}}], "tools/0/arguments/id: bitrix.call has no such argument."),
        ([{"call": "http.get", "error": ""}], "tools/0/error: a text, and no answer beside it, is expected."),
        ([{"call": "http.get", "error": "a", "answer": {}}], "tools/0/error: a text, and no answer beside it"),
    ],
)
def test_records_that_are_none_are_told(tmp_path: Path, tools: Any, message: str) -> None:
    """
    What is wrong with a recorded answer is a problem of the case, with its place.
    """
    Place(tmp_path).write("process_client_phone/case.json", {**SAMPLE, "tools": tools, "outcome": "ok"})

    found, problems = cases.read(tmp_path)

    assert (found, len(problems)) == ([], 1)
    assert str(problems[0]).startswith(f"tests/process_client_phone/case.json: {message}")


def test_a_portal_s_answers_are_replayed(place: Place) -> None:
    """
    Of a method the parameters are compared as the portal would get them, however the hook hands them over.
    """
    place.write(
        "hooks/process_client_phone.py",
        "def process_client_phone(request, bitrix):\n"
        "    found = bitrix.list('crm.contact.list', {'select': ['ID']}, filter={'PHONE': request['phone']})\n"
        "    return {'phone': bitrix.batch({'a': ('crm.contact.get', {'id': found[0]['ID']})})['a']['PHONE']}\n",
    )
    arguments = {"method": "crm.contact.list", "params": {"filter": {"PHONE": "101"}, "select": ["ID"]}}
    batch = {"calls": {"a": ["crm.contact.get", {"id": "7"}]}}
    tools = [
        {"call": "bitrix.list", "arguments": arguments, "answer": [{"ID": "7"}]},
        {"call": "bitrix.batch", "arguments": batch, "answer": {"a": {"PHONE": "+7900"}}},
    ]
    folder = "hooks/tests/process_client_phone"
    place.write(f"{folder}/asks.json", {**SAMPLE, "tools": tools, "reply": {"phone": "+7900"}})

    ended = place.hookd("test")

    assert ended.code == 0, ended.out + ended.err


def test_a_run_only_says_what_it_would_call(place: Place, crm: Peer) -> None:
    """
    `hookd run` reads lists and the store, and acts only with --live.
    """
    hook = "process_client_phone"
    place.write("hookd.toml", f'[site]\nhttp_hosts = ["127.0.0.1:{crm.port}"]\n')
    source = (
        f"def {hook}(request, http, store, lists):\n"
        f"    http.post('{crm.url}/', json={{'key': '{{secret:crm}}'}})\n"
        "    store.incr('count')\n"
        "    return {'phone': str(store.get('count', 5)) + str(lists.contains('vip', 1))}\n"
    )
    place.write(f"hooks/{hook}.py", source)
    place.write("secrets/crm", "canary-of-the-crm")

    told = place.hookd("run", hook)
    files, touched = place.files().keys(), crm.touched
    live = place.hookd("run", hook, "--live")

    assert (told.code, touched) == (0, 0), told.err
    assert told.out.splitlines()[2:5] == [
        f'would call http.post {{"url": "{crm.url}/", "json": {{"key": "{{secret:crm}}"}}}}',
        'would call store.incr {"key": "count", "by": 1}',
        "called store.get count: " + told.out.splitlines()[4].partition("count: ")[2],
    ]
    assert 'nothing was called: --live does, and a test has the answers under "tools"' in told.out
    assert '"phone": "5False"' in told.out
    assert not [file for file in files if "sqlite" in file]
    assert (live.code, crm.body) == (0, b'{"key":"canary-of-the-crm"}'), live.err
    assert '"phone": "1False"' in live.out
    assert "canary" not in told.out + live.out


def test_a_case_is_written_from_what_was_pretended() -> None:
    """
    Calls that were made are recorded with an answer to fill in; those to lists and those that were real are not.
    """
    calls = [
        ToolCall("http", "get", "a", 1.0, pretended={"url": "https://a/", "params": None}),
        ToolCall("store", "get", "k", 1.0, pretended={"key": "k", "default": None}),
        ToolCall("bitrix", "list", "crm.lead.list", 1.0, pretended={"method": "crm.lead.list", "params": None}),
        ToolCall("lists", "contains", "vip", 1.0),
    ]

    assert answers.pretended(calls) == [
        {"call": "http.get", "arguments": {"url": "https://a/"}, "answer": {}},
        {"call": "store.get", "arguments": {"key": "k"}},
        {"call": "bitrix.list", "arguments": {"method": "crm.lead.list"}, "answer": []},
    ]
