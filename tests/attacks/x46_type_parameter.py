# expect: load
"""A type parameter named like a guard."""

def f[_getattr_](x):
    return x


def process_client_phone(request):
    return 1
