# expect: error
"""Deep delegation."""


def process_client_phone(request):
    def g(n):
        if n:
            yield from g(n - 1)
        yield 1
    return sum(g(100000))
