# expect: load
"""Keywords of a class run __init_subclass__."""

class A:
    pass


class B(A, x=1):
    pass


def process_client_phone(request):
    return 1
