"""
Samples of events: one for each that is known, as its hook gets it.
"""

import re

import pytest

from hookd.errors import EnvelopeError, SampleError
from hookd.points import EVENT_NAME
from hookd.portal import codes, samples
from hookd.portal.envelopes import read_event
from tests.portal import payloads


@pytest.mark.parametrize("code", codes.events())
def test_every_known_event_has_a_sample_that_breaks_nothing(code: str) -> None:
    """
    It is as the schemas say, reaches hooks of its own name, its family's and other, and each can be called so.
    """
    name = codes.hook_name(code)

    assert read_event(samples._envelope(name)).warnings == ()
    for hook in codes.event_hooks(code):
        assert EVENT_NAME.fullmatch(hook)
        assert name in samples.names(hook)
        found = samples.sample(hook, code)
        assert (found["code"], found["id"], found["attempt"]) == (code, "0" * 24, 1)
    assert samples.describe(name) == codes.events()[code].about


def test_the_ids_of_a_recurring_deal_differ() -> None:
    """
    The row, the template and the new deal cannot be taken for one another.
    """
    found = samples.sample("crm_deal_recurring", "oncrmdealrecurringexpose")

    assert found["fields"] == {"ID": "365", "RECURRING_DEAL_ID": "6791", "DEAL_ID": "6799"}


def test_an_event_that_nobody_knows_has_a_sample_too() -> None:
    """
    Portals grow: a hook may be written for what hookd has not heard of.
    """
    assert samples.names("onnewthingadd") == ["onnewthingadd"]
    assert samples.sample("onnewthingadd", "onnewthingadd")["code"] == "ONNEWTHINGADD"
    assert samples.describe("onnewthingadd") == "An event that this hookd does not know."


def test_a_sample_that_there_is_not_is_told() -> None:
    """
    With the nearest name, and those that there are.
    """
    message = 'events/crm_lead: sample "onleadadd" does not exist; did you mean oncrmleadadd? There are: '

    with pytest.raises(SampleError, match=re.escape(message + "oncrmleadadd, oncrmleaddelete, oncrmleadupdate.")):
        samples.sample("crm_lead", "onleadadd")


def test_what_a_portal_posts_becomes_what_a_hook_gets() -> None:
    """
    And what a hook gets stays as it is; a portal's post without a code is refused.
    """
    posted = samples.of_event(payloads.RECURRING_EXPOSED)

    assert (posted["code"], posted["id"]) == ("ONCRMDEALRECURRINGEXPOSE", "0" * 24)
    assert samples.of_event(posted) is posted
    with pytest.raises(EnvelopeError):
        samples.of_event({"auth": {}})
