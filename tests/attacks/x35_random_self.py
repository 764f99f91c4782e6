# expect: error
"""The generator behind a function."""

import random


def process_client_phone(request):
    return str(getattr(random.random, '__self__'))
