# expect: load
"""collections.abc."""


def process_client_phone(request):
    import collections
    return str(collections.abc)[:80]
