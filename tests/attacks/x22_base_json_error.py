# expect: error
"""An exception of a module as a base."""

import json


def process_client_phone(request):
    class E(json.JSONDecodeError):
        pass
    return 1
