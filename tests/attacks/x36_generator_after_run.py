# expect: ok
"""A generator left behind cannot print into the next run."""

kept = []


def leave():
    try:
        yield 1
    finally:
        print('after the end')


def process_client_phone(request):
    g = leave()
    next(g)
    kept.append(g)
    kept.append(kept)
    return None
