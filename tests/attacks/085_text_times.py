# expect: memory
"""A giant text."""


def process_client_phone(request):
    return len('a' * 10**10)
