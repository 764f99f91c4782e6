# expect: load
"""A metaclass of the hook's."""

class A(metaclass=dict):
    pass


def process_client_phone(request):
    return 1
