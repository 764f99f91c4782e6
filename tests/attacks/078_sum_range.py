# expect: timeout
"""sum over a giant range."""


def process_client_phone(request):
    return sum(range(10**12))
