# expect: load
"""copy drives __reduce__."""

class A:
    def __reduce__(self):
        return (str, ('x',))


def process_client_phone(request):
    import copy
    return copy.copy(A())
