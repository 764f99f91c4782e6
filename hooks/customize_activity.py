"""
Make missed incoming calls stand out among the client's activities.

Settings, each works alone: missed_subject is their title, with {number}, {client} and {trunk} filled in;
missed_priority is 1 low, 2 medium or 3 high. Activities of other calls are left alone.
"""

from lib.texts import filled


def customize_activity(call, settings):
    if not call.missed or call.direction != "incoming":
        return None
    change = {}
    if subject := settings.get("missed_subject"):
        change["SUBJECT"] = filled(subject, call)
    if priority := settings.get("missed_priority"):
        change["PRIORITY"] = priority
    return change
