# expect: error
"""An assignment to a module."""


def process_client_phone(request):
    import json
    json.dumps = 1
    return 1
