# expect: ok
"""hasattr as an oracle for names of Python itself: it says no."""


def process_client_phone(request):
    assert not hasattr((), '__class__')
    assert not hasattr(print, '__self__')
    return None
