# expect: error
"""A host function as a decorator of a class."""

@dict
class A:
    pass


def process_client_phone(request):
    return str(A)
