# expect: timeout
"""A property that never ends."""

class C:
    @property
    def x(self):
        while True:
            pass


def process_client_phone(request):
    return C().x
