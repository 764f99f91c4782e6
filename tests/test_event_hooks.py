"""
Hooks of events: found, checked and run as those of jobs are, with an event instead of a job.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hookd import settings
from hookd.answers import pretend
from hookd.errors import SettingsError
from hookd.hook_settings import settings_of
from hookd.points import EVENTS, work_point
from hookd.portal import samples
from hookd.portal.envelopes import read_event
from hookd.portal.renewal import Installed
from hookd.portal.rest import Webhook
from hookd.review import review
from hookd.runner import limit
from hookd.runs import Run
from hookd.settings import JobSettings
from hookd.tools import Answer, Call, Method
from tests.portal.fixtures import side
from tests.portal.server import Bitrix24
from tests.test_job_hooks import save, site_of
from tests.test_worker import Loop

EVENT = samples.sample("crm_lead", "oncrmleadadd")


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """A service whose hooks the tests write."""
    found = Loop(tmp_path_factory.mktemp("service"))
    yield found
    found.close()


def run(loop: Loop, source: str | None, **options: Any) -> Run:
    save(loop, {"events/crm_lead.py": None})
    save(loop, {"events/crm_lead.py": source})
    work = loop.service.runner.run(
        site_of(loop), work_point(EVENTS, "crm_lead"), EVENT, started=time.monotonic(), **options
    )
    return loop.do(work)


def test_an_event_gets_its_document_and_tools(loop: Loop) -> None:
    """
    The hook gets the event as a plain dict, its own settings, and other tools by name; its outcome is ok.
    """
    save(loop, {"settings.toml": "[events.crm_lead]\nchat = 7\n[all]\nlang = 'ru'\n"})

    ended = run(loop, "def crm_lead(settings, event, clock):\n    print(event, settings['chat'], settings['lang'])\n")

    assert (ended.outcome, ended.reason, ended.error, ended.warnings) == ("ok", "", None, ())
    assert (ended.point, ended.printed) == ("events/crm_lead", f"{EVENT} 7 ru\n")
    assert site_of(loop).hooks.snapshot.has_durable
    assert settings_of(site_of(loop).hooks.snapshot, "events/crm_lead") == {"chat": 7, "lang": "ru"}


def test_what_it_returns_is_ignored_with_a_warning(loop: Loop) -> None:
    """
    Nobody reads what the hook of an event returns; whoever returns something learns so.
    """
    ended = run(loop, "def crm_lead(event):\n    return {'phone': '1'}\n")

    assert ended.outcome == "ok"
    assert [str(warning) for warning in ended.warnings] == [
        '/: {"phone": "1"} is ignored: nobody reads what the hook of an event returns.'
    ]


@pytest.mark.parametrize(
    ("source", "reason", "error"),
    [
        ("def crm_lead(event):\n    return event['nope']\n", "error", "events/crm_lead.py:2: KeyError:"),
        (
            "def crm_lead(job):\n    pass\n",
            "load",
            "events/crm_lead.py:1: crm_lead asks for 'job', which there is not.",
        ),
        (
            None,
            "load",
            "events/crm_lead.py: there is no such hook of events. Hooks of events: none. Put the file back.",
        ),
    ],
)
def test_one_that_fails_says_why(loop: Loop, source: str | None, reason: str, error: str) -> None:
    """
    An exception, a file that does not load and a file that is gone are failures with the words of points.
    """
    ended = run(loop, source)

    assert (ended.outcome, ended.reason) == ("fallback", reason)
    assert str(ended.error).startswith(error)
    assert str(ended.error).endswith(f"The event is tried again later. [{reason}]")


def test_its_tools_know_which_portal_asks(loop: Loop) -> None:
    """
    A tool that asks the portal back asks the one whose event it is.
    """
    seen: list[str] = []

    def stand_in(call: Call, method: Method) -> Answer | None:
        seen.append(call.site.portal)
        return pretend(call, method)

    source = "def crm_lead(event, store):\n    store.set('a', 1)\n"

    run(loop, source, portal="0f3d", stand_in=stand_in)
    run(loop, source, stand_in=stand_in)

    assert seen == ["0f3d", ""]


def test_a_site_asks_the_portal_whose_event_it_is(tmp_path: Path) -> None:
    """
    Of several portals the one that told; as the app, if it has installed it, else by the webhook.
    """
    (tmp_path / "hooks").mkdir()
    with Bitrix24() as bitrix24:
        one = side(bitrix24, tmp_path / "var")
        acme, other = bitrix24.add("acme"), bitrix24.add("other")
        for account in (acme, other):
            one.trust.check_event(one.terms, bitrix24_install(bitrix24, account))
        config = tmp_path / "hookd.toml"
        config.write_text(
            f'[site]\nbitrix_app_id = "{one.terms.app.id}"\nbitrix_app_secret = "{one.terms.app.secret}"\n'
            'bitrix_webhook = "https://acme.example/rest/1/secret/"\n'
        )
        site = settings.load(config, tmp_path).site

        found = [one.side.account("default", site, portal) for portal in (acme.member_id, other.member_id, "0" * 32)]
        one.close()

    assert found[:2] == [Installed("default", account.member_id, one.terms.app) for account in (acme, other)]
    assert found[2] == Webhook("https://acme.example/rest/1/secret/")


def bitrix24_install(bitrix24: Bitrix24, account: Any) -> Any:
    from_portal = bitrix24.event(account, "ONAPPINSTALL", {"VERSION": 1, "LANGUAGE_ID": "ru"})
    return read_event(from_portal)


def test_a_name_that_nobody_knows_is_told(loop: Loop) -> None:
    """
    A slip of the finger is a warning with the nearest name; families, numbered codes and other are known.
    """
    names = ("oncrmleedadd", "crm_lead", "oncrmdynamicitemadd_147", "catalog_price_on_add", "other")
    save(loop, {f"events/{name}.py": f"def {name}(event):\n    pass\n" for name in names})

    found = [finding.problem for finding in review(site_of(loop)).findings]
    told = [str(problem) for problem in found if problem.file.startswith("events/")]
    save(loop, {f"events/{name}.py": None for name in names})

    assert told == [
        "events/oncrmleedadd.py: no event of this name is known; did you mean oncrmleadadd? "
        "A code in lower case, dots as _; a family, such as crm_lead; or other."
    ]


def test_a_file_that_is_no_event_is_told(loop: Loop) -> None:
    """
    A name that no function can have is a problem, not a silence.
    """
    found = save(loop, {"events/CRM.LEAD.py": "x = 1\n"})
    save(loop, {"events/CRM.LEAD.py": None})

    assert [str(problem) for problem in found.problems] == [
        "events/CRM.LEAD.py: CRM.LEAD is no name of an event. Write it in a-z, 0-9 and _; a letter comes first."
    ]


def test_settings_of_events(tmp_path: Path) -> None:
    """
    A hook of events has limits of its own, 30 s if nothing is set; what is wrong is told.
    """
    config = tmp_path / "hookd.toml"
    (tmp_path / "hooks").mkdir()
    config.write_text("[events.crm_lead]\nattempts_max = 3\n[site.events.other]\ntimeout_s = 5\n")

    found = settings.load(config, tmp_path).site

    assert found.events == {
        "crm_lead": JobSettings(timeout_s=30.0, attempts_max=3),
        "other": JobSettings(timeout_s=5.0),
    }
    (tmp_path / "sites" / "a").mkdir(parents=True)
    (tmp_path / "sites" / "a" / "site.toml").write_text("[events.crm_lead]\ntimeout_s = 7\n")
    own = settings.load_site(tmp_path / "sites" / "a", found)
    assert own.events["crm_lead"] == JobSettings(timeout_s=7.0)
    assert own.events["other"] == JobSettings(timeout_s=5.0)

    config.write_text("[events.crm_lead]\ntimeout_s = 601\n")
    with pytest.raises(SettingsError) as error:
        settings.load(config, tmp_path)
    assert str(error.value) == f"{config}: [events.crm_lead]: timeout_s = 601: seconds from 1 to 600 are expected"


def test_the_limit_of_an_event(loop: Loop) -> None:
    """
    It has 30 s, or what is set for its hook.
    """
    assert limit(site_of(loop), work_point(EVENTS, "crm_lead"), None) == 30.0
