# expect: load
"""locals() in a class body."""

class A:
    names = locals()


def process_client_phone(request):
    return 1
