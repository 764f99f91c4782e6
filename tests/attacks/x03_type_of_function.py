# expect: error
"""The class of a function makes functions."""


def process_client_phone(request):
    return str(type(lambda: 1))
