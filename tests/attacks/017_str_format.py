# expect: load
"""str.format walks attributes by a text."""


def process_client_phone(request):
    return '{0.__class__}'.format(1)
