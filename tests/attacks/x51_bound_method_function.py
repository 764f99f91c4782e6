# expect: error
"""The function behind a bound method."""

class A:
    def f(self):
        return 1


def process_client_phone(request):
    return str(getattr(A().f, '__func__'))
