# expect: timeout|memory|error
"""A giant precision in a block."""


def process_client_phone(request):
    import decimal
    with decimal.localcontext() as context:
        context.prec = 10**9
        return len(str(decimal.Decimal(1) / decimal.Decimal(3)))
