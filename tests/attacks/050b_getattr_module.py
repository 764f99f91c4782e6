# expect: error
"""getattr on a module."""

import random


def process_client_phone(request):
    return str(getattr(random, '_os'))
