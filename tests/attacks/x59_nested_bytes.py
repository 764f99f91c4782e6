# expect: contract
"""Bytes as the result."""


def process_client_phone(request):
    return {'phone': b'1'}
