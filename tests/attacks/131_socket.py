# expect: load
"""A socket by a pivot."""


def process_client_phone(request):
    from re import enum
    m = enum.sys.modules
    return str(m['socket'].socket())
