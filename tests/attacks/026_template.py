# expect: load
"""string.Template with a pattern of its own."""

import string


def process_client_phone(request):
    return string
