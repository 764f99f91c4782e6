"""
The tables of codes hold together, and every code finds its hooks.
"""

import re

import pytest

from hookd import contract
from hookd.portal import codes

NAME = re.compile(r"[a-z][a-z0-9_]*")


def test_knows_all_codes() -> None:
    """
    190 events and 103 placements, each once, each with words of its own.
    """
    events, placements = codes.events(), codes.placements()

    assert (len(events), len(placements)) == (190, 103)
    assert sum(code.endswith("_DETAIL_ACTIVITY") for code in placements) == 8
    for code in (*events.values(), *placements.values()):
        assert code.code == code.code.upper().replace("<ID>", "<id>")
        assert code.about.endswith(".")
        assert all(field.type in TYPES for field in code.fields)


TYPES = {"string", "integer", "number", "boolean", "object", "array"}


def test_hooks_are_named_apart() -> None:
    """
    No two codes have the same hook, and none that of a family; but the pipelines of deals name no object in their code.
    """
    events, placements = codes.events().values(), [code for code in codes.placements().values() if "<" not in code.code]

    for table in (events, placements):
        names = [code.name for code in table]
        families = {code.family for code in table} - {""}
        assert len({*names}) == len(names)
        assert {*names} & families <= {"crm_funnels_toolbar"}
        assert all(NAME.fullmatch(name) for name in (*names, *families))
        assert codes.OTHER not in {*names} | families


def test_every_event_has_a_family() -> None:
    """
    Events of one object have one family; only placements may stand alone.
    """
    assert [code.code for code in codes.events().values() if not code.family] == []
    assert {code.family for code in codes.placements().values() if code.code.endswith("_DETAIL_ACTIVITY")} == {
        "crm_detail_activity"
    }


@pytest.mark.parametrize(
    ("code", "hooks"),
    [
        ("ONCRMDEALUPDATE", ("oncrmdealupdate", "crm_deal", "other")),
        ("onCrmRequisiteAdd", ("oncrmrequisiteadd", "crm_requisite", "other")),
        ("ONCRMDEALRECURRINGEXPOSE", ("oncrmdealrecurringexpose", "crm_deal_recurring", "other")),
        ("ONCRMLEADUSERFIELDADD", ("oncrmleaduserfieldadd", "crm_userfield", "other")),
        (
            "onCrmDynamicItemAdd_147",
            ("oncrmdynamicitemadd_147", "oncrmdynamicitemadd", "crm_dynamic_item", "other"),
        ),
        ("ONCRMLEADADD_147", ("oncrmleadadd_147", "other")),
        ("CATALOG.PRICE.ON.ADD", ("catalog_price_on_add", "catalog_price", "other")),
        ("ONSOMETHINGNEW", ("onsomethingnew", "other")),
        ("OTHER", ("other",)),
        ("../../secrets/key", ("other",)),
        ("a" * 101, ("other",)),
        ("ONCRMLEADADD\n", ("other",)),
        ("", ("other",)),
    ],
)
def test_finds_the_hooks_of_an_event(code: str, hooks: tuple[str, ...]) -> None:
    """
    The exact code comes first, whatever its case; then its kind; then the hook for all others.
    """
    assert codes.event_hooks(code) == hooks


@pytest.mark.parametrize(
    ("code", "hooks", "number"),
    [
        ("CALL_CARD", ("call_card", "other"), None),
        ("CRM_ORDER_DETAIL_ACTIVITY", ("crm_order_detail_activity", "crm_detail_activity", "other"), None),
        ("CRM_DYNAMIC_183_DETAIL_ACTIVITY", ("crm_dynamic_183_detail_activity", "crm_detail_activity", "other"), 183),
        ("crm_dynamic_31_list_menu", ("crm_dynamic_31_list_menu", "crm_list_menu", "other"), 31),
        ("CRM_DYNAMIC_183_SOMETHING_NEW", ("crm_dynamic_183_something_new", "other"), 183),
        ("CRM_DYNAMIC_XXX_DETAIL_TAB", ("crm_dynamic_xxx_detail_tab", "other"), None),
        ("1C_PAGE", ("code_1c_page", "other"), None),
        ("DEFAULT", ("default", "other"), None),
        ("<id>", ("other",), None),
    ],
)
def test_finds_the_hooks_of_a_placement(code: str, hooks: tuple[str, ...], number: int | None) -> None:
    """
    The number of a custom type stands only in the code, and does not keep a placement from its family.
    """
    assert (codes.placement_hooks(code), codes.entity_type_id(code)) == (hooks, number)


@pytest.mark.parametrize("family", [file.stem for file in (contract.SCHEMAS / "events").glob("*.json")])
def test_schemas_and_table_agree(family: str) -> None:
    """
    A family's schema has the codes of the table, and their fields, no more and no fewer.
    """
    schema = dict(contract.load(f"events/{family}"))
    known = {code.code: code for code in codes.events().values() if code.family == family}
    if family == codes.OTHER:
        assert not known
        return

    data = schema["properties"]["data"]
    fields = data["properties"].get("FIELDS", data)["properties"]

    assert {*schema["properties"]["event"]["enum"]} == {*known}
    assert {*fields} == {field.name for code in known.values() for field in code.fields}
    for code in known.values():
        event = {"event": code.code, "auth": schema["examples"][0]["auth"], "data": {"FIELDS": {}}}
        event["data"] = {"FIELDS": {}} if code.root == "data.FIELDS" else {}
        missing = {one.path.rpartition("/")[2] for one in contract.file_violations(f"events/{family}", event)}
        assert missing == {field.name for field in code.fields if field.is_required}
