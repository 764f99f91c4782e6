# expect: error
"""type with three arguments makes classes past the metaclass."""


def process_client_phone(request):
    return str(type('X', (object,), {'__slots__': ()}))
