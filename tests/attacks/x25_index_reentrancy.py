# expect: load
"""__index__ runs in the middle of C code."""

class I:
    def __index__(self):
        return 0


def process_client_phone(request):
    return [1, 2, 3][I():]
