# expect: error
"""The same by getattr."""

import lib.numbers


def process_client_phone(request):
    return str(getattr(lib.numbers, '_digits'))
