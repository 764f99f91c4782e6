# expect: ok
"""Constants that the compiler would fold."""


def process_client_phone(request):
    x = (1 << 4000) ** 3 * 'a' if 0 else ('ab' * 4000) * 1
    return None
