# expect: error
"""A mappingproxy hands its dict to __eq__; patterns are kept from run to run."""

import re


class Thief:
    def __eq__(self, other):
        other['b'] = 2
        return True


def process_client_phone(request):
    return re.compile('(?P<a>.)').groupindex == Thief()
