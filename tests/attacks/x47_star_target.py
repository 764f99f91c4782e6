# expect: load
"""A starred target named like a guard."""


def process_client_phone(request):
    a, *_write_ = [1, 2]
    return 1
