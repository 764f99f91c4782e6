# expect: timeout
"""One endless C call."""


def process_client_phone(request):
    return 9 ** 9 ** 9 % 7
