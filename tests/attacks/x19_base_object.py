# expect: error
"""An object as a base."""

class A:
    pass


def process_client_phone(request):
    class B(A()):
        pass
    return 1
