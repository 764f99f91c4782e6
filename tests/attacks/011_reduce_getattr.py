# expect: load
"""functools.reduce(getattr, names)."""


def process_client_phone(request):
    import functools
    return str(functools.reduce(getattr, ['__class__'], 1))
