# expect: error
"""The same on a variable."""


def process_client_phone(request):
    text = '{0.__class__}'
    return text.format(1)
