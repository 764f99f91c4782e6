"""
Keep conversations out of the CRM.

Settings, each works alone: internal = true ignores calls between employees; extensions, clients and trunks
are lists of numbers whose calls are ignored. black_list and white_list name files in hooks/lists, with clients,
extensions and trunks: what is on the black one is ignored, and of what is not on the white one everything is.
"""


def need_registration(call, phones, lists, settings):
    known = [number for number in (call.client_number, call.extension, call.trunk) if number]
    black, white = settings.get("black_list"), settings.get("white_list")
    is_ignored = (
        (settings.get("internal") and call.direction == "local")
        or phones.contains(settings.get("extensions", []), call.extension)
        or phones.contains(settings.get("clients", []), call.client_number)
        or phones.contains(settings.get("trunks", []), call.trunk)
        or (black and any(lists.contains(black, number) for number in known))
        or (white and known and not any(lists.contains(white, number) for number in known))
    )
    if is_ignored:
        return {"result": False}
