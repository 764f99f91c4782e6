# expect: load
"""except* confuses types of exceptions (CVE-2025-22153)."""


def process_client_phone(request):
    try:
        1 / 0
    except* ZeroDivisionError as e:
        return str(e)
