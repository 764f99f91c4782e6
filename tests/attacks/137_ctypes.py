# expect: load
"""ctypes by a pivot."""


def process_client_phone(request):
    from re import enum
    return str(enum.sys.modules['ctypes'])
