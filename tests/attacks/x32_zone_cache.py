# expect: error
"""ZoneInfo.clear_cache and from_file."""

import zoneinfo


def process_client_phone(request):
    return str(zoneinfo.ZoneInfo('UTC').from_file)
