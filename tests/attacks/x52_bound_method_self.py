# expect: error
"""The object behind a method of a builtin."""


def process_client_phone(request):
    return str(getattr([].append, '__self__'))
