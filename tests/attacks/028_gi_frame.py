# expect: error
"""A generator's frame."""


def process_client_phone(request):
    g = (x for x in [1])
    return str(getattr(g, 'gi_frame'))
