# expect: error
"""A function as a base."""


def process_client_phone(request):
    class B(print):
        pass
    return 1
