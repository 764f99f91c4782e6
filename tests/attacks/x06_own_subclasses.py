# expect: error
"""Names of Python itself on a class of the hook's."""

class A:
    pass


def process_client_phone(request):
    return str(getattr(A, '__subclasses__')())
