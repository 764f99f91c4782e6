# expect: load
"""Guards bound by imports, handlers, loops, lambdas, deletes."""


def process_client_phone(request):
    import json as _write_
    for _getattr_ in []:
        pass
    f = lambda _import_: 1
    del _from_
    return [_key_ for _key_ in []]
