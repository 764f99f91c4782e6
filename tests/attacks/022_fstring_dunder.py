# expect: load
"""An f-string with an attribute of Python itself."""


def process_client_phone(request):
    return f'{(1).__class__}'
