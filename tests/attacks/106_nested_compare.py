# expect: error
"""Deeply nested lists compared."""


def process_client_phone(request):
    a = []
    b = []
    for i in range(200000):
        a = [a]
        b = [b]
    return a == b
