# expect: load
"""A function's globals."""


def process_client_phone(request):
    def f():
        return 1
    return str(f.__globals__)
