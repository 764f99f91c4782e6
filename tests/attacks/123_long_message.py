# expect: error
"""A message of 10 MB."""


def process_client_phone(request):
    raise ValueError('x' * 10_000_000)
