# expect: error
"""Extreme nesting of groups."""


def process_client_phone(request):
    import re
    return str(re.compile('(' * 5000 + ')' * 5000))
