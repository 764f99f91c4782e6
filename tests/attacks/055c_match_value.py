# expect: load
"""A value pattern reads attributes in C."""


def process_client_phone(request):
    match request:
        case request.__class__:
            return 1
