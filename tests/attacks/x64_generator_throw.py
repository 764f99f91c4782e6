# expect: error
"""An exception class with an own traceback thrown into a generator."""


def process_client_phone(request):
    def g():
        yield 1
    work = g()
    next(work)
    work.throw(ValueError, ValueError('x'), request)
