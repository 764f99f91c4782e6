# expect: error
"""A deletion in a module."""

import json


def process_client_phone(request):
    del json.dumps
    return 1
