# expect: error
"""Numbers whose class statistics would call."""

import statistics


class N:
    def as_integer_ratio(self):
        return (1, 2)


def process_client_phone(request):
    return statistics.mean([N(), N()])
