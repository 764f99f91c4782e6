# expect: load
"""A class pattern reads attributes in C."""


def process_client_phone(request):
    match request:
        case object(__class__=found):
            return str(found)
