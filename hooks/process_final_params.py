"""
Give missed calls to the owner of their trunk, tell a chat of them, and keep trifles out of the chat.

Settings, each works alone: owner_by_trunk names the user who gets the missed calls of a trunk; missed_chat is told
of them by the job missed_call; quiet_below_s keeps calls of fewer seconds (missed ones too) out of the chat,
quiet_internal = true those between employees.
"""

from lib.trunks import by_trunk


def process_final_params(call, phones, jobs, settings):
    change = {}
    is_missed = call.missed and call.direction == "incoming"
    owner = by_trunk(settings.get("owner_by_trunk", {}), call, phones)
    if owner and is_missed:
        change["USER_ID"] = owner
    if is_missed and settings.get("missed_chat"):
        # The connector may ask about a call more than once: the key makes it one job.
        jobs.enqueue("missed_call", {"number": call.client_number, "trunk": call.trunk}, key=call.linkedid or None)
    is_internal = settings.get("quiet_internal") and call.direction == "local"
    if is_internal or call.duration_s < settings.get("quiet_below_s", 0):
        change["ADD_TO_CHAT"] = 0
    return change
