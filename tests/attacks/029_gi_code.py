# expect: error
"""A generator's code."""


def process_client_phone(request):
    def h():
        yield 1
    return str(getattr(h(), 'gi_code'))
