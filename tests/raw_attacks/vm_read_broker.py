# expect: violation
"""The broker's memory by process_vm_readv(2)."""


def hook(request):
    here = ctypes.create_string_buffer(16)
    local = (ctypes.c_ulong * 2)(ctypes.addressof(here), 8)
    remote = (ctypes.c_ulong * 2)(0x400000, 8)
    return attempt("process_vm_readv", request["broker"], local, 1, remote, 1, 0)
