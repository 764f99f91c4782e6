# expect: error
"""type(x) and its public mro."""


def process_client_phone(request):
    return str(type(1).mro())
