# expect: load
"""The traceback of an exception."""


def process_client_phone(request):
    try:
        1 / 0
    except ZeroDivisionError as e:
        return str(e.__traceback__.tb_frame.f_back.f_globals)
