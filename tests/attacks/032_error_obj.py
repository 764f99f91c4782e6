# expect: error
"""AttributeError.obj leaks the object that failed (CVE-2024-47532)."""

import json


def process_client_phone(request):
    module = [json][0]
    try:
        module.nosuch
    except AttributeError as e:
        return str(e.obj)
