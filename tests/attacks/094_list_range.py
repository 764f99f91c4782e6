# expect: memory
"""A giant range as a list."""


def process_client_phone(request):
    return len(list(range(10**10)))
