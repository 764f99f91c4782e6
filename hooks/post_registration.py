"""
Note the calls that were registered in the log of the run, and tell somebody of those that ended in the voice menu.

Settings, each works alone: directions, which calls to note, such as ["incoming", "outgoing"]; ivr_owner, the user
whom the job ivr_missed tells in the portal that a client hung up before any phone rang.
"""


def post_registration(call, jobs, settings):
    if call.direction in settings.get("directions", []):
        client = call.entity.name or "unknown"
        extension = call.extension or "none"
        print(f"{call.direction}: {call.client_number} ({client}), trunk {call.trunk}, extension {extension}")
    owner = settings.get("ivr_owner")
    if owner and call.is_ivr and call.direction == "incoming":
        missed = {"user": owner, "number": call.client_number, "trunk": call.trunk}
        # The connector may ask about a call more than once: the key makes it one job.
        jobs.enqueue("ivr_missed", missed, key=call.linkedid or None)
