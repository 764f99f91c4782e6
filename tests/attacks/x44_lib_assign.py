# expect: error
"""An assignment to a lib file."""

import lib.numbers


def process_client_phone(request):
    lib.numbers.tail = None
    return 1
