# expect: error|ok
"""GeneratorExit caught from an __exit__ and raised."""

caught = []


class C:
    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        caught.append(kind)


def work():
    with C():
        yield 1


def process_client_phone(request):
    g = work()
    next(g)
    g.close()
    raise caught[0]
