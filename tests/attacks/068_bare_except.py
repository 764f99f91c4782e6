# expect: timeout
"""A loop that swallows every exception."""


def process_client_phone(request):
    while True:
        try:
            while True:
                x = 1
        except:
            pass
