# expect: load
"""A guard bound in a class body."""

class A:
    _getattr_ = lambda o, n: o
    x = request.__class__


def process_client_phone(request):
    return 1
