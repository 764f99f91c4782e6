# expect: load
"""__class_getitem__ takes part in making classes."""

class A:
    def __class_getitem__(cls, x):
        return 1


def process_client_phone(request):
    return A[1]
