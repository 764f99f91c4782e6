# expect: memory|timeout
"""Cycles that reference counts do not free."""


def process_client_phone(request):
    x = []
    for i in range(10**8):
        y = []
        y.append(y)
        x.append(y)
    return None
