# expect: error
"""A number from an object with __int__."""

class N:
    def __len__(self):
        return 5


def process_client_phone(request):
    return int(N())
