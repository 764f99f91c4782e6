"""
What Bitrix24 sends, for tests: the vendor's own documented payloads, and the wire format that portals write.
"""

from typing import Any
from urllib.parse import quote_plus

from hookd.documents import Json

MEMBER = "a223c6b3710f85df22e9377d6c4f7553"
TOKEN = "51856fefc120afa4b628cc82d3935cce"
DOMAIN = "some-domain.bitrix24.com"

# Bitrix24's REST reference, page on onCrmRequisiteAdd; ID is a number there, and there is no event_handler_id.
REQUISITE_ADDED: dict[str, Any] = {
    "event": "onCrmRequisiteAdd",
    "data": {"FIELDS": {"ID": 27}},
    "ts": "1466439714",
    "auth": {
        "access_token": "s6p6eclrvim6da22ft9ch94ekreb52lv",
        "expires_in": "3600",
        "scope": "crm",
        "domain": DOMAIN,
        "server_endpoint": "https://oauth.bitrix.info/rest/",
        "status": "F",
        "client_endpoint": f"https://{DOMAIN}/rest/",
        "member_id": MEMBER,
        "refresh_token": "4s386p3q0tr8dy89xvmt96234v3dljg8",
        "application_token": TOKEN,
    },
}

# The same, page on onCrmDealRecurringExpose.
RECURRING_EXPOSED: dict[str, Any] = {
    "event": "ONCRMDEALRECURRINGEXPOSE",
    "event_handler_id": "683",
    "data": {"FIELDS": {"ID": "9", "RECURRING_DEAL_ID": "6791", "DEAL_ID": "6799"}},
    "ts": "1741092489",
    "auth": {**REQUISITE_ADDED["auth"], "status": "L"},
}

_WIDGET = {
    "DOMAIN": "xxx.bitrix24.com",
    "PROTOCOL": "1",
    "LANG": "en",
    "AUTH_EXPIRES": "3600",
    "member_id": "da45a03b265edd8787f8a258d793cc5d",
    "status": "L",
}


def _detail(code: str, number: str, session: str, tokens: tuple[str, str]) -> dict[str, str]:
    return {
        **_WIDGET,
        "APP_SID": session,
        "AUTH_ID": tokens[0],
        "REFRESH_ID": tokens[1],
        "PLACEMENT": code,
        "PLACEMENT_OPTIONS": f'{{"ID":"{number}"}}',
    }


# The same, page on the button above the timeline: its seven examples.
DETAIL_ACTIVITIES = [
    _detail(
        "CRM_LEAD_DETAIL_ACTIVITY",
        "6591",
        "231dec2797809e63f2183cd9e5c1db79",
        (
            "29d1a06600631fcd00005a4b00000001f0f1071497cc09c28ec609a43bb0c802d2ad41",
            "1950c86600631fcd00005a4b00000001f0f107804dc35e52c3002c7e7e155337b89e25",
        ),
    ),
    _detail(
        "CRM_DEAL_DETAIL_ACTIVITY",
        "3473",
        "fb219fe14b3bb927487324b3bf561e3a",
        (
            "4ad1a06600631fcd00005a4b00000001f0f107e9193b10f6ec5579451a015c78a66829",
            "3a50c86600631fcd00005a4b00000001f0f107d9898b9feec5e1fd2e9cf59d40121087",
        ),
    ),
    _detail(
        "CRM_CONTACT_DETAIL_ACTIVITY",
        "13037",
        "a3e8af64160b5eaa51e16d4cc14f23dc",
        (
            "65d1a06600631fcd00005a4b00000001f0f107635565dfe5bc6e1924790e68da8091f7",
            "5550c86600631fcd00005a4b00000001f0f10715d6275f1e55e90b58fa5444cc00efdf",
        ),
    ),
    _detail(
        "CRM_COMPANY_DETAIL_ACTIVITY",
        "2946",
        "c718482c9df48a3115d039967d5183a6",
        (
            "8dd1a06600631fcd00005a4b00000001f0f10753abde956bcff8eea8801f6ae598becc",
            "7d50c86600631fcd00005a4b00000001f0f1079035d2a1022c0def3c60824ec692788b",
        ),
    ),
    _detail(
        "CRM_QUOTE_DETAIL_ACTIVITY",
        "5",
        "7e776f9d59d8346b452bd9b60a8f3925",
        (
            "b4d1a06600631fcd00005a4b00000001f0f107d6fc31ffbd4740c5a0a5393c8744ac8a",
            "a450c86600631fcd00005a4b00000001f0f10755a4090ea60da33ae27abd087bded527",
        ),
    ),
    {
        **_detail(
            "CRM_SMART_INVOICE_DETAIL_ACTIVITY",
            "32",
            "adada92053b22a4de3895402a01693cf",
            (
                "69c7ca670076a4b8006f518000000001201c0720c9c9d78077b5f2c5530f64b061c8a1",
                "5946f2670076a4b8006f518000000001201c07709da4b12d3c7e82e120a20e547b638f",
            ),
        ),
        "member_id": "e8857f161a1a8288f312b6cc6ad67995",
    },
    _detail(
        "CRM_DYNAMIC_183_DETAIL_ACTIVITY",
        "3",
        "e1f8a9f4be2f07b8645216f7b3104a20",
        (
            "e1d1a06600631fcd00005a4b00000001f0f1077ebff8b4fdddb2a57ccdbc1edd9ce1cf",
            "d150c86600631fcd00005a4b00000001f0f1070a03cba852bafb9c58de5ea9fe9a0daa",
        ),
    ),
]

# The same, page on the call card.
CALL_CARD = {
    **_WIDGET,
    "APP_SID": "588b8a98e848778a4ffb38fbcf70f2b9",
    "AUTH_ID": "4172bb6600705a0700005a4b00000001f0f107c42ca5bd5f61030c5d9c3e4d60d11b5a",
    "REFRESH_ID": "31f1e26600705a0700005a4b00000001f0f107b1918506d8a2ed9ecf76e8fdac962471",
    "PLACEMENT": "CALL_CARD",
    "PLACEMENT_OPTIONS": '{"CALL_ID":"externalCall.c3ee67f1a63f6e6117c230ab59cc49ea.1723556778",'
    '"PHONE_NUMBER":"555555","LINE_NUMBER":"","LINE_NAME":"","CRM_ENTITY_TYPE":"","CRM_ENTITY_ID":"0","CRM_ACTIVITY_ID":"undefined",'
    '"CALL_DIRECTION":"incoming","CALL_STATE":"connected","CALL_LIST_MODE":"false"}',
}

IN_QUERY = ("DOMAIN", "PROTOCOL", "LANG", "APP_SID")  # of a placement's fields
TOLD_TO_THE_SCRIPT = ("DOMAIN", "PROTOCOL", "LANG", "AUTH_ID", "REFRESH_ID", "PLACEMENT")  # of the same


def form(fields: dict[str, Json]) -> bytes:
    """
    Return *fields* as PHP's http_build_query writes them: brackets escaped, empty arrays and null left out.
    """
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in _flat(fields)).encode()


def split(placement: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """
    Return the fields of *placement* that come in the query string, and those that come in the body.
    """
    query = {name: value for name, value in placement.items() if name in IN_QUERY}
    return query, {name: value for name, value in placement.items() if name not in IN_QUERY}


def _flat(fields: Any, name: str = "") -> list[tuple[str, str]]:
    if fields is None:
        return []
    if not isinstance(fields, dict | list):
        return [(name, str(int(fields) if isinstance(fields, bool) else fields))]
    items = fields.items() if isinstance(fields, dict) else enumerate(fields)
    return [pair for key, value in items for pair in _flat(value, f"{name}[{key}]" if name else str(key))]
