# expect: error
"""print into something else."""


def process_client_phone(request):
    print('x', file=request)
    return None
