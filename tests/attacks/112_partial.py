# expect: load
"""Nested partials."""


def process_client_phone(request):
    import functools
    return 1
