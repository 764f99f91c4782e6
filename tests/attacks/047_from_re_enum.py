# expect: load
"""from X import sys."""


def process_client_phone(request):
    from re import enum
    return str(enum.sys.modules['os'].getcwd())
