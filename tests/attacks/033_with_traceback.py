# expect: error
"""with_traceback of an exception."""


def process_client_phone(request):
    return str(ValueError('x').with_traceback)
