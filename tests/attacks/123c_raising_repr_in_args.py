# expect: error
"""A KeyError whose key cannot be shown."""

class K:
    def __repr__(self):
        return 1 / 0

    def __hash__(self):
        return 5


def process_client_phone(request):
    return request[K()]
