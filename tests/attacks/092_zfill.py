# expect: memory
"""A giant padding."""


def process_client_phone(request):
    return len('x'.zfill(10**10))
