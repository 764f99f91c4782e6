# expect: ok
"""Giant counters in a pattern."""


def process_client_phone(request):
    import re
    re.compile('(?:a{1,60000}){1,60000}').match('a')
    return None
