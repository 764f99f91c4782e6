"""
Say who has to call a client back after a missed call, until when, and about what.

Settings, each works alone: no_task_for lists clients without such tasks; owner_by_trunk names the user who
does those of a trunk; call_back_within is the time for it, in minutes of your working hours; title_prefix
goes before the title, with {number}, {client} and {trunk} filled in.
"""

from lib.texts import filled
from lib.trunks import by_trunk


def process_task_creation_params(request, call, clock, phones, settings):
    if phones.contains(settings.get("no_task_for", []), call.client_number):
        return CANCEL
    fields = {}
    owner = by_trunk(settings.get("owner_by_trunk", {}), call, phones)
    if owner and call.direction == "incoming":
        fields["RESPONSIBLE_ID"] = owner
    if minutes := settings.get("call_back_within"):
        fields["DEADLINE"] = clock.iso(clock.next_working(minutes))
    if prefix := settings.get("title_prefix"):
        fields["TITLE"] = filled(prefix, call) + request["fields"].get("TITLE", "")
    return {"fields": fields}
