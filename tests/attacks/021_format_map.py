# expect: error
"""format_map by getattr."""


def process_client_phone(request):
    return getattr('{a.__class__}', 'format' + '_map')(request)
