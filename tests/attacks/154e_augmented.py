# expect: error
"""An augmented assignment to a module."""

import math


def process_client_phone(request):
    math.pi += 1
    return 1
