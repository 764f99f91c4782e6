# expect: error
"""A giant exponent overflows."""


def process_client_phone(request):
    import decimal
    return str(decimal.Decimal(10) ** 999999999)[:9]
