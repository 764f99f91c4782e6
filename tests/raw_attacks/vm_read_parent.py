# expect: violation
"""The zygote's memory by process_vm_readv(2)."""

import os


def hook(request):
    here = ctypes.create_string_buffer(16)
    local = (ctypes.c_ulong * 2)(ctypes.addressof(here), 8)
    remote = (ctypes.c_ulong * 2)(0x400000, 8)
    return attempt("process_vm_readv", os.getppid(), local, 1, remote, 1, 0)
