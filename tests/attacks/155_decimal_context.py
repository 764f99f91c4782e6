# expect: load
"""decimal.getcontext().prec."""


def process_client_phone(request):
    import decimal
    decimal.getcontext().prec = 2
    return 1
