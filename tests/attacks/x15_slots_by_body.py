# expect: load
"""__slots__, __match_args__, __class__ in a class body."""

class A:
    __slots__ = ()
    __match_args__ = ('a',)
    __class__ = int


def process_client_phone(request):
    return 1
