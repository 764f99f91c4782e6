# expect: timeout
"""Big integers by squaring."""


def process_client_phone(request):
    x = 3
    for i in range(40):
        x = x * x
    return None
