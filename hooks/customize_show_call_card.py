"""
Open the call card later, not at all, or for supervisors too.

Settings, each works alone: on_answer = true waits until the employee has answered an incoming call;
without_card lists extensions for which no card opens; also_for lists users, by their ids in the CRM, who get
every card as well.
"""


def customize_show_call_card(request, call, phones, settings):
    is_ringing = call.direction == "incoming" and call.stage == "conversation_requested"
    if settings.get("on_answer") and is_ringing:
        return CANCEL
    if phones.contains(settings.get("without_card", []), call.extension):
        return CANCEL
    user = request["USER_ID"]
    others = [other for other in settings.get("also_for", []) if str(other) != str(user)]
    if others:
        return {"USER_ID": [user, *others]}
