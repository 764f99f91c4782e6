# expect: error
"""getattr with a name put together at run time."""


def process_client_phone(request):
    n = '__cl' + 'ass__'
    return str(getattr((), n))
