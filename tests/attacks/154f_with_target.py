# expect: error
"""A with statement that assigns to a module."""

import json


class C:
    def __enter__(self):
        return self

    def __exit__(self, *details):
        return None


def process_client_phone(request):
    with C() as json.dumps:
        return 1
