"""
Button above the timeline of any card in the CRM: the calls with this client.

Setting: calls, how many to show, the last first. Texts are in lib/words.py.
"""

from lib.words import words

KINDS = {"LEAD": 1, "DEAL": 2, "CONTACT": 3, "COMPANY": 4, "QUOTE": 7, "ORDER": 14, "SMART_INVOICE": 31}


def crm_detail_activity(placement, bitrix, settings):
    most = settings.get("calls")
    if not most:
        return None
    kind = placement["code"].removeprefix("CRM_").removesuffix("_DETAIL_ACTIVITY")
    wanted = {
        "filter": {
            "OWNER_TYPE_ID": placement["entity_type_id"] or KINDS[kind],
            "OWNER_ID": placement["options"]["ID"],
            "TYPE_ID": 2,
        },
        "order": {"ID": "DESC"},
        "select": ["ID", "SUBJECT", "DIRECTION", "START_TIME", "COMPLETED"],
    }
    calls = [_shown(call) for call in bitrix.list("crm.activity.list", wanted, limit=most)]
    return {"template": "calls.html", "context": {"words": words(placement["language"]), "calls": calls}}


def _shown(call):
    day, _, time = str(call.get("START_TIME") or "").partition("T")
    return {
        "subject": call.get("SUBJECT") or "",
        "at": ".".join(reversed(day.split("-"))) + f" {time[:5]}",
        "is_incoming": str(call.get("DIRECTION")) == "1",
        "is_missed": call.get("COMPLETED") == "N",
    }
