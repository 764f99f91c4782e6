# expect: load
"""The environment by a pivot."""


def process_client_phone(request):
    from re import enum
    return dict(enum.sys.modules['os'].environ)
