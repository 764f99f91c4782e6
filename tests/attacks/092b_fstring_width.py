# expect: memory|error
"""A giant width in an f-string."""


def process_client_phone(request):
    return len(f'{1:10000000000}')
