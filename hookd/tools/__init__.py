"""
The tools that act for hooks outside of the sandbox, in the HTTP process, inside the run's deadline.

One file each, one shape: a class named after its tool, with what it keeps for the life of the process, whose `methods`
are what `sandbox.signatures` lets hooks call. They run in threads (`threads`), on calls (`call`) that the broker takes
from workers (`broker`).
"""

from hookd.jobs import Jobs
from hookd.tools.broker import Answer, Broker, RunCalls, StandIn, Tools
from hookd.tools.call import Call, Ground, Method, ToolCall
from hookd.tools.jobs import JobsTool
from hookd.tools.lists import Lists

__all__ = ["Answer", "Broker", "Call", "Ground", "Method", "RunCalls", "StandIn", "ToolCall", "Tools", "make_tools"]


def make_tools(jobs: Jobs) -> Tools:
    """
    Return every tool of an installation: tool → method → what does it.

    Args:
        jobs: Where jobs are promised.
    """
    return {"jobs": JobsTool(jobs).methods(), "lists": Lists().methods()}
