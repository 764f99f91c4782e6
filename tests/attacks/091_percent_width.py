# expect: memory
"""A giant width."""


def process_client_phone(request):
    return len('%10000000000d' % 1)
