# expect: error
"""An exception whose text raises."""

class E(Exception):
    def __str__(self):
        raise RecursionError('again')

    __repr__ = __str__


def process_client_phone(request):
    raise E()
