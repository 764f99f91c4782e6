# expect: error
"""A format spec that only a str subclass could abuse."""

class A:
    pass


def process_client_phone(request):
    return f'{A():{request}}'
