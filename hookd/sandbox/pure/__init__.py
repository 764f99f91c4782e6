"""
The tools that a hook has inside its worker: they compute, and reach for nothing.

One file each, one shape: a class named after its tool, made afresh or per site by the worker, with `PUBLIC`, the
attributes that a hook may use. What they import is the standard library and phonenumbers, all of it before the
worker is locked; while a hook runs they open no file and start no call.
"""


class ToolError(Exception):
    """
    A hook used a tool in a way that cannot work.

    Attributes:
        message: What is wrong.
        remedy: What to write instead.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy
