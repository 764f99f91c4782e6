"""
Write into a new lead over which trunk its client called: the source, or fields of your own.

Setting: by_trunk, for each trunk the CRM fields and their values. Only after incoming calls, and only while
the lead is in its first status (NEW): what somebody works on is left alone.
"""

from lib.trunks import by_trunk


def customize_entity(request, call, phones, settings):
    is_lead = call.direction == "incoming" and call.entity.type == "lead"
    match request:
        case {"call_full": {"entity": {"raw": {"STATUS_ID": "NEW"}}}} if is_lead:
            return by_trunk(settings.get("by_trunk", {}), call, phones)
