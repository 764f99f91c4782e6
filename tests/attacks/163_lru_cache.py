# expect: load
"""Callbacks of functools."""


def process_client_phone(request):
    import functools
    return str(functools.lru_cache)
