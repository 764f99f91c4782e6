# expect: ok|timeout
"""A flood of prints."""


def process_client_phone(request):
    for i in range(10**6):
        print('x' * 1000)
    return None
