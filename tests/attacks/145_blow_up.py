# expect: contract
"""Shared lists that grow with each level."""


def process_client_phone(request):
    x = [1]
    for i in range(40):
        x = [x, x]
    return x
