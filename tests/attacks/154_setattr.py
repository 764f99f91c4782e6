# expect: load
"""setattr on a module."""


def process_client_phone(request):
    import json
    setattr(json, 'dumps', 1)
    return 1
