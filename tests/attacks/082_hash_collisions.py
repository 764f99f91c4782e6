# expect: timeout
"""Colliding keys."""


def process_client_phone(request):
    d = {}
    for i in range(60000):
        d[i * (2**61 - 1)] = 1
    return None
