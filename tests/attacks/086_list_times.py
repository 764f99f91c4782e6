# expect: memory
"""A giant list."""


def process_client_phone(request):
    return len([0] * 10**10)
