# expect: load
"""Groups of exceptions."""


def process_client_phone(request):
    raise ExceptionGroup('x', [ValueError()])
