# expect: timeout
"""A regular expression that backtracks."""


def process_client_phone(request):
    import re
    return re.sub(r'(x|x)*y', '', 'x' * 60)
