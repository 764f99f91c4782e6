"""
The tools that act for hooks outside of the sandbox, in the HTTP process, inside the run's deadline.

One file each, one shape: a class named after its tool, with what it keeps for the life of the process, whose `methods`
are what `sandbox.signatures` lets hooks call. They run in threads (`threads`), on calls (`call`) that the broker takes
from workers (`broker`).
"""

from pathlib import Path

from hookd.jobs import Jobs
from hookd.portal.side import PortalSide
from hookd.tools.bitrix import Bitrix
from hookd.tools.broker import Answer, Broker, RunCalls, StandIn, Tools
from hookd.tools.call import Call, Ground, Method, ToolCall
from hookd.tools.http import Http
from hookd.tools.jobs import JobsTool
from hookd.tools.lists import Lists
from hookd.tools.records import Records
from hookd.tools.resolver import Resolver
from hookd.tools.store import Store

__all__ = ["Answer", "Broker", "Call", "Ground", "Method", "RunCalls", "StandIn", "ToolCall", "Tools", "make_tools"]


def make_tools(state: Path, jobs: Jobs, portals: PortalSide) -> Tools:
    """
    Return every tool of an installation that keeps its state in the directory *state*, promises its *jobs*, and asks
    its *portals*.
    """
    resolver = Resolver()
    http, lists, records, store = Http(resolver), Lists(), Records(state), Store(state)

    def close() -> None:
        http.close()
        store.close()

    methods = {
        "bitrix": Bitrix(portals, resolver).methods(),
        "http": http.methods(),
        "jobs": JobsTool(jobs).methods(),
        "lists": lists.methods(),
        "records": records.methods(),
        "store": store.methods(),
    }
    return Tools(methods, close)
