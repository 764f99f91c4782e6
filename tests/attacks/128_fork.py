# expect: load
"""fork by a pivot."""


def process_client_phone(request):
    from re import enum
    return enum.sys.modules['os'].fork()
