# expect: error
"""mro of a class of the hook's."""

class A:
    pass


def process_client_phone(request):
    return str(A.mro())
