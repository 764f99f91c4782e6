# expect: contract
"""Nesting that other parsers refuse."""


def process_client_phone(request):
    x = 1
    for i in range(500):
        x = [x]
    return x
