# expect: timeout
"""An exception whose text never ends."""

class E(Exception):
    def __str__(self):
        while True:
            pass


def process_client_phone(request):
    raise E()
