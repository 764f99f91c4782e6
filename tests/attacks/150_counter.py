# expect: contract
"""A subclass of dict from collections."""


def process_client_phone(request):
    from collections import Counter
    return Counter('aab')
