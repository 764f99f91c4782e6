# expect: error
"""What a generic alias knows."""


def process_client_phone(request):
    return str(getattr(list[int], '__origin__'))
