# expect: load
"""Forged frames by a pivot."""


def process_client_phone(request):
    from re import enum
    return enum.sys.modules['os'].write(3, b'')
