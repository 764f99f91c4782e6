"""
The table of points against the vendor's documentation, copied here once more by hand: a slip in either shows.
"""

import pytest

from hookd.points import ALIASES, POINTS, RECORD_KEYS, Unchanged

ALL_STAGES = ("conversation_requested", "conversation_accepted", "conversation_ended", "call_ended")
ENDS = ("conversation_requested", "call_ended")

# Name: (required keys, keys of the reply, whether empty data cancels, whether any CRM field may be set, stages).
DOCUMENTED = {
    "customize_activity": ("activity", "", True, True, ()),
    "customize_entity": ("", "", True, True, ()),
    "need_registration": ("", "result", False, False, ALL_STAGES),
    "process_client_phone": ("phone", "phone", False, False, ALL_STAGES),
    "process_final_params": ("CALL_ID", "ADD_TO_CHAT CALL_ID DURATION STATUS_CODE USER_ID", True, False, ()),
    "process_originate_params": (
        "",
        "caller_id channel context extension priority request_data",
        False,
        False,
        (),
    ),
    "process_record_file_path": ("path", "path", False, False, ()),
    "process_registration_params": (
        "PHONE_NUMBER TYPE",
        "CALL_START_DATE CRM_CREATE CRM_SOURCE LINE_NUMBER PHONE_NUMBER SHOW TYPE USER_ID",
        True,
        False,
        ENDS,
    ),
    "process_task_creation_params": ("fields", "fields", True, False, ()),
    "process_user_phone": ("phone", "phone", False, False, ALL_STAGES),
    "customize_autodistribution": ("", "number name", False, False, ()),
    "post_registration": ("", "", False, False, ENDS),
    "customize_show_call_card": ("CALL_ID USER_ID", "CALL_ID USER_ID", True, False, ALL_STAGES),
    "customize_attach_record_url": ("DESCRIPTION activity", "DESCRIPTION DESCRIPTION_TYPE", True, True, ()),
}


def test_has_the_documented_points_in_their_order() -> None:
    """
    There are 14 points, in the vendor's order.
    """
    assert list(POINTS) == list(DOCUMENTED)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_says_of_each_point_what_the_vendor_says(name: str) -> None:
    """
    Required keys, reply keys, cancelling, CRM fields and stages are the documented ones.
    """
    required, echo, cancels, is_open, stages = DOCUMENTED[name]
    point = POINTS[name]

    assert (point.name, point.required, point.echo) == (name, tuple(required.split()), tuple(echo.split()))
    assert (point.cancels, point.is_open, point.stages) == (cancels, is_open, stages)


def test_waits_a_second_but_ten_for_a_recording() -> None:
    """
    Only the recording has a limit of its own, and only that one is fixed.
    """
    limits = {name: (point.timeout_s, point.is_fixed) for name, point in POINTS.items()}

    assert limits == dict.fromkeys(POINTS, (1.0, False)) | {"process_record_file_path": (10.0, True)}


def test_knows_the_old_method_names() -> None:
    """
    Three methods were renamed; their old names still reach them.
    """
    assert ALIASES == {
        "get_updated_activity_fields": "customize_activity",
        "get_updated_entity_fields": "customize_entity",
        "get_updated_lead_fields": "customize_entity",
    }


def test_keeps_a_call_as_it_is_by_echo_with_four_exceptions() -> None:
    """
    The unchanged reply copies the request, except where there is nothing to copy.
    """
    others = {name: (point.unchanged, dict(point.constant)) for name, point in POINTS.items()}

    assert {name: kept for name, kept in others.items() if kept[0] is not Unchanged.ECHO} == {
        "customize_activity": (Unchanged.CONSTANT, {}),
        "customize_entity": (Unchanged.CONSTANT, {}),
        "need_registration": (Unchanged.CONSTANT, {"result": True}),
        "post_registration": (Unchanged.NOTHING, {}),
    }


def test_only_autodistribution_lacks_the_call() -> None:
    """
    The dial plan asks before there is a call to tell of, and reads both of its keys.
    """
    assert [name for name, point in POINTS.items() if not point.has_call] == ["customize_autodistribution"]
    assert {name: point.absent for name, point in POINTS.items() if point.absent is not None} == {
        "customize_autodistribution": ""
    }


def test_looks_for_the_path_under_five_keys() -> None:
    """
    Versions of the connector name the recording's path differently.
    """
    assert RECORD_KEYS == ("path", "record_file_path", "file_path", "record", "file")
