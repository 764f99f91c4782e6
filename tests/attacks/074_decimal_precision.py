# expect: load
"""The precision of the process."""


def process_client_phone(request):
    import decimal
    decimal.getcontext().prec = 10**8
    return len(str(decimal.Decimal(1) / decimal.Decimal(3)))
