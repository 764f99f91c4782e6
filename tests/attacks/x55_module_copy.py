# expect: error
"""A module as a dict."""

import json


def process_client_phone(request):
    return dict(json)
