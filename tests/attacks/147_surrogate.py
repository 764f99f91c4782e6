# expect: contract
"""Half a character."""


def process_client_phone(request):
    return {'phone': '\ud800'}
