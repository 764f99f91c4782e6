# expect: load
"""__instancecheck__ and __subclasshook__."""

class A:
    def __instancecheck__(self, other):
        return True

    def __subclasshook__(cls, other):
        return True


def process_client_phone(request):
    return 1
