# expect: timeout
"""Slow containment."""


def process_client_phone(request):
    return 1.5 in range(10**11)
