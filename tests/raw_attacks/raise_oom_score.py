# expect: error
"""Making others the victims when memory runs out."""


def hook(request):
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("-1000")
    return "written"
