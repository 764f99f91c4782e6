# expect: timeout
"""max over a giant range with a key."""


def process_client_phone(request):
    return max(range(10**11), key=lambda x: -x)
