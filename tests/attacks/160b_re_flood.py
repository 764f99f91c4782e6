# expect: ok
"""Many patterns."""


def process_client_phone(request):
    import re
    for i in range(3000):
        re.compile('a%d' % i)
    return None
