# expect: contract
"""A number of 4000 digits."""


def process_client_phone(request):
    return 10 ** 4000
