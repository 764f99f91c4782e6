"""
The tools that act for hooks outside of the sandbox, in the HTTP process, inside the run's deadline.

One file each, one shape: a class named after its tool, with what it keeps for the life of the process, whose `methods`
are what `sandbox.signatures` lets hooks call. They run in threads (`threads`), on calls (`call`) that the broker takes
from workers (`broker`).
"""

from hookd.tools.broker import Answer, Broker, RunCalls, StandIn, Tools
from hookd.tools.call import Call, Ground, Method, ToolCall
from hookd.tools.http import Http
from hookd.tools.lists import Lists

__all__ = ["Answer", "Broker", "Call", "Ground", "Method", "RunCalls", "StandIn", "ToolCall", "Tools", "make_tools"]


def make_tools() -> Tools:
    """
    Return every tool of an installation.
    """
    http, lists = Http(), Lists()
    return Tools({"http": http.methods(), "lists": lists.methods()}, http.close)
