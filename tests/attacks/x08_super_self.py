# expect: error
"""What super() knows."""

class A:
    def f(self):
        s = super()
        return str(getattr(s, '__self_class__'))


def process_client_phone(request):
    return A().f()
