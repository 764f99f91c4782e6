# expect: error
"""A time zone outside of the table."""

import zoneinfo


def process_client_phone(request):
    return str(zoneinfo.ZoneInfo('../../../../etc/passwd'))
