# expect: error
"""A class of collections."""

import collections


def process_client_phone(request):
    return str(collections.Counter.mro())
