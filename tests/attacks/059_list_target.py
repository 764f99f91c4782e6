# expect: ok
"""Unpacking into a list target."""


def process_client_phone(request):
    [a, b] = 'xy'
    assert a == 'x'
    return None
