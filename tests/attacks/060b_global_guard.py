# expect: load
"""A guard declared global."""


def process_client_phone(request):
    def f():
        global _getattr_
        _getattr_ = lambda o, n: o
    f()
    return 1
