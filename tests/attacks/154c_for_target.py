# expect: error
"""A loop that assigns to a module."""

import json


def process_client_phone(request):
    for json.dumps in [1]:
        pass
    return 1
