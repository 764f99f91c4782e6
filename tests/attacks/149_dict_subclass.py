# expect: load
"""A dict with methods of its own."""

class D(dict):
    def items(self):
        return [('a', 1)] * 3


def process_client_phone(request):
    return D(x=1)
