# expect: contract
"""A result that contains itself."""


def process_client_phone(request):
    x = []
    x.append(x)
    return x
