# expect: error
"""Lib files that import each other."""

import lib.circle_a


def process_client_phone(request):
    return 1
