# expect: error
"""with_traceback behind a method of the same name."""

class E(ValueError):
    def with_traceback(self):
        return None

    def f(self):
        return super().with_traceback


def process_client_phone(request):
    return str(E('x').f())
