# expect: contract
"""A function as the result."""


def process_client_phone(request):
    return {'phone': print}
