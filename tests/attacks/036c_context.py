# expect: load
"""The exception before an exception."""


def process_client_phone(request):
    try:
        1 / 0
    except ZeroDivisionError as e:
        return str(e.__context__)
