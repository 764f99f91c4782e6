# expect: memory
"""Giant bytes."""


def process_client_phone(request):
    return len(bytes(10**10))
