# expect: load
"""The cell __class__."""

class A:
    def f(self):
        return __class__


def process_client_phone(request):
    return A().f()
