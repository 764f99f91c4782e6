# expect: load
"""The globals of a lib file."""

import lib.numbers


def process_client_phone(request):
    return lib.numbers.__builtins__
