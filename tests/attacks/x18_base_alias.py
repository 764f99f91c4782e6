# expect: error
"""A generic alias as a base."""

class A(list[int]):
    pass


def process_client_phone(request):
    return str(A)
