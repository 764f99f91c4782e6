# expect: timeout
"""MemoryError swallowed for ever."""


def process_client_phone(request):
    x = []
    while True:
        try:
            x.append('a' * 10**6)
        except MemoryError:
            pass
