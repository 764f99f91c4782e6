# expect: load
"""__import__."""


def process_client_phone(request):
    return str(__import__('os'))
