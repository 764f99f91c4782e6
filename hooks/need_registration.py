"""
Keep conversations out of the CRM.

Settings, each works alone: internal = true ignores calls between employees; extensions, clients and trunks
are lists of numbers whose calls are ignored.
"""


def need_registration(call, phones, settings):
    is_ignored = (
        (settings.get("internal") and call.direction == "local")
        or phones.contains(settings.get("extensions", []), call.extension)
        or phones.contains(settings.get("clients", []), call.client_number)
        or phones.contains(settings.get("trunks", []), call.trunk)
    )
    if is_ignored:
        return {"result": False}
