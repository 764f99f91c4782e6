# expect: error
"""A separator that is no text."""

class S:
    def join(self, values):
        return request


def process_client_phone(request):
    print('x', 'y', sep=S())
    return None
