# expect: error
"""A digest that is a function of the hook's."""

import hmac


def process_client_phone(request):
    return str(hmac.new(b'k', b'm', lambda *a: request))
