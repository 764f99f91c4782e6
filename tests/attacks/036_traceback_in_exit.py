# expect: error
"""__exit__ gets a traceback object."""

class C:
    def __enter__(self):
        return self

    def __exit__(self, *got):
        self.got = got
        return True


def process_client_phone(request):
    with C() as c:
        1 / 0
    return str(getattr(c.got[2], 'tb_frame'))
