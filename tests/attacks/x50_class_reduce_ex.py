# expect: error
"""__reduce_ex__ by getattr."""


def process_client_phone(request):
    return str(getattr(object(), '__reduce_ex__')(2))
