# expect: error
"""The same where the compiler cannot see the module."""

import re


def process_client_phone(request):
    spaces = [re]
    return str(spaces[0].enum.sys.modules)[:80]
