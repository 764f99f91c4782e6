# expect: contract
"""A class as the result."""


def process_client_phone(request):
    return {'phone': int}
