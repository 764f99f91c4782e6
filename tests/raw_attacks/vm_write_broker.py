# expect: violation
"""The broker's memory written, nothing of it here."""


def hook(request):
    here = ctypes.create_string_buffer(16)
    local = (ctypes.c_ulong * 2)(ctypes.addressof(here), 8)
    remote = (ctypes.c_ulong * 2)(0x400000, 8)
    return attempt("process_vm_writev", request["broker"], local, 0, remote, 0, 0)
