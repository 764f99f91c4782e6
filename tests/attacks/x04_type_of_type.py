# expect: error
"""type(type)."""


def process_client_phone(request):
    return str(type(type))
