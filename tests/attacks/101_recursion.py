# expect: error
"""Endless recursion."""


def process_client_phone(request):
    def f(n):
        return f(n + 1)
    return f(0)
