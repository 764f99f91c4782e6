# expect: contract
"""CANCEL inside of a result."""


def process_client_phone(request):
    return {'phone': CANCEL}
