# expect: load
"""A descriptor of the hook's."""

class D:
    def __get__(self, instance, owner):
        return owner

    def __set_name__(self, owner, name):
        pass


def process_client_phone(request):
    return 1
