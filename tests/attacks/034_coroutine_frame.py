# expect: load
"""A coroutine's frame."""

async def f():
    return 1


def process_client_phone(request):
    return str(f().cr_frame)
