# expect: load
"""format of a subclass of str."""

class S(str):
    pass


def process_client_phone(request):
    return S('{0.__class__}').format(1)
