# expect: contract
"""A generator as the result."""


def process_client_phone(request):
    def g():
        while True:
            yield 1
    return g()
