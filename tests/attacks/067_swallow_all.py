# expect: load
"""BaseException is not a hook's."""


def process_client_phone(request):
    while True:
        try:
            while True:
                x = 1
        except BaseException:
            pass
