# expect: ok
"""Odd directives of strftime."""


def process_client_phone(request):
    import datetime
    f'{datetime.datetime(2024, 1, 1):%Y-%m-%d %s %n}'
    return None
