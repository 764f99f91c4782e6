# expect: load
"""A subclass of BaseException."""

class X(BaseException):
    pass


def process_client_phone(request):
    raise X('x')
