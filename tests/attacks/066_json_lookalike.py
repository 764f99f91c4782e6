# expect: error
"""json.loads of an object that looks like text."""

import json


class T:
    def startswith(self, prefix):
        return False


def process_client_phone(request):
    return json.loads(T())
