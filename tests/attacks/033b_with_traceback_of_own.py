# expect: error
"""with_traceback of an exception class of the hook's."""

class E(ValueError):
    def with_traceback_(self):
        return None


def process_client_phone(request):
    return str(E('x').with_traceback)
