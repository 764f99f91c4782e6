# expect: contract
"""Keys that are no text."""


def process_client_phone(request):
    return {1: 'a', (1, 2): 'b'}
