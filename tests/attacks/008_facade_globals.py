# expect: load
"""The globals behind a facade."""

import json


def process_client_phone(request):
    return str(json.dumps.__globals__)
