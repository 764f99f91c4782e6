# expect: error
"""A name for getattr that only looks like text."""

class N:
    def __eq__(self, other):
        return True

    def __hash__(self):
        return hash('keys')

    def __str__(self):
        return '__class__'


def process_client_phone(request):
    return str(getattr(request, N()))
