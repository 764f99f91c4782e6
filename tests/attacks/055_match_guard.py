# expect: load
"""A capture named like a guard."""


def process_client_phone(request):
    match request:
        case {'a': _getattr_}:
            return 1
