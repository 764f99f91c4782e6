# expect: error
"""A namespace that only looks like a UUID."""

import uuid


class N:
    bytes = b'x'


def process_client_phone(request):
    return str(uuid.uuid5(N(), 'a'))
