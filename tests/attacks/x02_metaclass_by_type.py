# expect: error
"""The class of a class."""

class A:
    pass


def process_client_phone(request):
    return str(type(A)('B', (), {}))
