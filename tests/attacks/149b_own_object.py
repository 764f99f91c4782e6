# expect: contract
"""An object with dict's methods."""

class D:
    def keys(self):
        return ['a']

    def items(self):
        return [('a', 1)]

    def __getitem__(self, key):
        return 1

    def __iter__(self):
        return iter(['a'])


def process_client_phone(request):
    return D()
