"""
Note the calls that were registered in the log of the run: who, over which trunk, to whom.

Setting: directions, which calls to note, such as ["incoming", "outgoing"]. Nothing is written anywhere else.
"""


def post_registration(call, settings):
    if call.direction in settings.get("directions", []):
        client = call.entity.name or "unknown"
        extension = call.extension or "none"
        print(f"{call.direction}: {call.client_number} ({client}), trunk {call.trunk}, extension {extension}")
