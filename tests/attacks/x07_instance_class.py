# expect: error
"""Names of Python itself on an object of the hook's."""

class A:
    pass


def process_client_phone(request):
    return str(getattr(A(), '__class__'))
