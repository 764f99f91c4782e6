# expect: error
"""Real-time scheduling: nobody else runs any more."""


def hook(request):
    priority = ctypes.c_int(1)
    return attempt("sched_setscheduler", 0, 1, ctypes.byref(priority))
