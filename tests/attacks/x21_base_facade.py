# expect: error
"""A class of a module as a base."""

import datetime


def process_client_phone(request):
    class Zone(datetime.timezone):
        pass
    return 1
