# expect: contract
"""Two megabytes of text."""


def process_client_phone(request):
    return {'phone': 'x' * 2_000_000}
