# expect: load
"""string.Formatter (CVE-2026-76825)."""

from string import Formatter


def process_client_phone(request):
    return Formatter().get_field('0.__class__', [1], {})
