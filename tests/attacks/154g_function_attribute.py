# expect: error
"""An attribute of a host function."""

import json


def process_client_phone(request):
    json.dumps.cache = request
    return 1
