# expect: error
"""An attribute of a builtin class."""


def process_client_phone(request):
    int.cache = request
    return 1
