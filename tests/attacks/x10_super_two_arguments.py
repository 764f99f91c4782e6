# expect: load
"""super with two arguments."""


def process_client_phone(request):
    return str(super(int, True))
