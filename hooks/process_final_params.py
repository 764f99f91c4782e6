"""
Give missed calls to the owner of their trunk, and keep trifles out of the chat.

Settings, each works alone: owner_by_trunk names the user who gets the missed calls of a trunk; quiet_below_s
keeps calls of fewer seconds (missed ones too) out of the chat, quiet_internal = true those between employees.
"""

from lib.trunks import by_trunk


def process_final_params(call, phones, settings):
    change = {}
    owner = by_trunk(settings.get("owner_by_trunk", {}), call, phones)
    if owner and call.missed and call.direction == "incoming":
        change["USER_ID"] = owner
    is_internal = settings.get("quiet_internal") and call.direction == "local"
    if is_internal or call.duration_s < settings.get("quiet_below_s", 0):
        change["ADD_TO_CHAT"] = 0
    return change
