# expect: load
"""input()."""


def process_client_phone(request):
    return input()
