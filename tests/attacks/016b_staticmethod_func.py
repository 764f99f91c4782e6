# expect: load
"""A staticmethod hands out its function."""


def process_client_phone(request):
    return str(staticmethod(len).__func__)
