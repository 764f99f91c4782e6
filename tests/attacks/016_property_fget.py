# expect: error
"""A property hands out its function."""


def process_client_phone(request):
    p = property(lambda s: 1)
    return str(p.fget)
