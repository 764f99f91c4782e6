# expect: error
"""The class of a zone reads files."""

import zoneinfo


def process_client_phone(request):
    return str(type(zoneinfo.ZoneInfo('UTC'))('UTC'))
