"""
`bitrix`: REST methods of the site's portal, as far as the operator allows them.

Which portal that is, the site decides and never the hook: the one of its incoming webhook, where it has one, else the
one that has installed its app; a site with several of these has none for its hooks, since nothing in a call would say
which. `portal.rest` knows tokens, limits and addresses; here a call becomes a question to it, and what goes wrong there
becomes words for a hook.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

import structlog

from hookd.errors import PortalError, StorageError, ToolFailedError, VaultError
from hookd.portal.renewal import Installed
from hookd.portal.rest import Webhook, Who
from hookd.portal.side import PortalSide
from hookd.tools.call import Call, Json, Method, late
from hookd.tools.resolver import Resolver

_COMMANDS = 'Write {"lead": ["crm.lead.get", {"id": 17}]}, or a list of such pairs.'
KNOWN_S = 60.0  # that a portal's name counts as known: its connections are kept meanwhile
GRACE_S = 0.5  # after which a call that is not given up at its deadline ends by itself

_SHOWN = 60  # characters of what a hook wrote
# Parameters of every method that hookd fills in itself, and what to do without them.
_TOKEN = {"auth": "Leave it out: the portal is asked with the site's own token or webhook."}
_PAGE = {"start": "Leave it out: all pages are read, up to limit=… rows."}

_Ask = Callable[[Call, Who], Json]

log = structlog.get_logger("hookd.tools")


class Bitrix:
    """
    The portals of all sites.

    Args:
        portals: Their methods, and as whom a site asks.
        resolver: Looks names up; it is closed by whoever made it.
    """

    def __init__(self, portals: PortalSide, resolver: Resolver) -> None:
        self._portals = portals
        self._rest = portals.rest
        self._resolver = resolver
        self._known: dict[str, float] = {}  # host → until when, monotonic

    def methods(self) -> Mapping[str, Method]:
        """Return what hooks may call."""
        return {
            "call": Method(self._asking(self._call), _name, pretend=lambda arguments: {}),
            "batch": Method(self._asking(self._batch), _names, pretend=_pretended_batch),
            "list": Method(self._asking(self._list), _name, pretend=lambda arguments: []),
        }

    def _asking(self, ask: _Ask) -> Callable[[Call], Json]:
        def do(call: Call) -> Json:
            try:
                who = self._portals.account(call.site.name, call.site.settings)
                self._check_host(call, who)
                return ask(call, who)
            except PortalError as error:
                raise _refused(call, error) from None
            except (StorageError, VaultError) as error:
                log.error("portal_unusable", site=call.site.name, tool=call.name, error=str(error))
                remedy = "The operator finds the reason in the log."
                raise ToolFailedError(f"{call.name}: the portal's tokens cannot be read now.", remedy) from error

        return do

    def _check_host(self, call: Call, who: Webhook | Installed) -> None:
        """
        Look the portal's name up first, where only that waits: within the connection it would keep a thread of all
        tools for as long as a name server is silent.
        """
        host = self._host(who)
        if not host or self._known.get(host, 0.0) > time.monotonic():
            return
        try:
            self._resolver.addresses(host, call)
        except TimeoutError as error:
            raise ToolFailedError(
                f"{call.name}: no name server told the address of {host} in time.",
                "Look at the machine's name servers: `getent hosts` asks them.",
            ) from error
        except OSError as error:
            raise ToolFailedError(
                f"{call.name}: the host {host} is not known.", "Is the name right? A name server said no."
            ) from error
        self._known[host] = time.monotonic() + KNOWN_S

    def _host(self, who: Webhook | Installed) -> str:
        if isinstance(who, Webhook):
            return urlsplit(who.url).hostname or ""
        portal = self._portals.portals.find(who.site, who.member_id)
        return urlsplit(portal.endpoint).hostname or "" if portal else ""

    def _call(self, call: Call, who: Who) -> Json:
        method, parameters = call.arguments["method"], _parameters(call, call.arguments["params"], _TOKEN)
        return self._rest.call(who, method, parameters, call, allowed=_allowed(call)).result

    def _list(self, call: Call, who: Who) -> Json:
        method, parameters = call.arguments["method"], _parameters(call, call.arguments["params"], _TOKEN | _PAGE)
        most = call.arguments["limit"]
        return self._rest.list(who, method, parameters, call, allowed=_allowed(call), most=most)

    def _batch(self, call: Call, who: Who) -> Json:
        commands, is_strict = _commands(call), call.arguments["strict"]
        if not commands:
            return _shaped(call, {})
        found, errors = self._rest.batch(who, commands, call, allowed=_allowed(call), halts=is_strict)
        if errors and is_strict:
            name, error = next(iter(errors.items()))
            raise ToolFailedError(
                f"{call.name}: {name}: {commands[name][0] if name in commands else ''}: {error}.",
                "What stands before it was done, what stands after it was not. With strict=False the others go on, "
                'and {"error": …} is in its place.',
            )
        return _shaped(
            call, {name: {"error": errors[name]} if name in errors else found.get(name) for name in commands}
        )


def pretended(method: str, arguments: Mapping[str, Json]) -> Json:
    """
    Return what `bitrix.method` answers where nothing is asked: the least that there is.
    """
    return _pretended_batch(arguments) if method == "batch" else [] if method == "list" else {}


def recorded(method: str, answer: Json) -> Json:
    """
    Return *answer*, which a test case has for `bitrix.method`.

    Raises:
        ValueError: That is never answered; says what is.
    """
    if method == "list" and not isinstance(answer, list):
        raise ValueError("bitrix.list answers a list")
    if method == "batch" and not isinstance(answer, list | dict):
        raise ValueError("bitrix.batch answers a list, or an object where the calls have names")
    return answer


# --- what is asked -----------------------------------------------------------------------------------------------


def _allowed(call: Call) -> Sequence[str]:
    return call.site.settings.bitrix_methods


def _parameters(call: Call, given: Mapping[str, Json] | None, own: Mapping[str, str]) -> Mapping[str, Json]:
    for name in given or {}:
        if name.lower() in own:
            raise ToolFailedError(f"{call.name}: {name} is not yours to set.", own[name.lower()])
    return given or {}


def _commands(call: Call) -> dict[str, tuple[str, Mapping[str, Json]]]:
    given = call.arguments["calls"]
    named = given.items() if isinstance(given, dict) else ((str(index), one) for index, one in enumerate(given))
    return {name: _command(call, name, one) for name, one in named}


def _command(call: Call, name: str, given: Json) -> tuple[str, Mapping[str, Json]]:
    method, parameters = (given, {}) if isinstance(given, str) else (*given, {})[:2] if _is_pair(given) else ("", {})
    if not isinstance(method, str) or not method or not isinstance(parameters, dict):
        raise ToolFailedError(f"{call.name}: {name[:_SHOWN]} is no method and its parameters.", _COMMANDS)
    return method, _parameters(call, parameters, _TOKEN)


def _is_pair(given: Json) -> bool:
    return isinstance(given, list) and 1 <= len(given) <= 2


def _shaped(call: Call, found: Mapping[str, Json]) -> Json:
    """What was answered, as the calls were handed over: by name, or one after the other."""
    return dict(found) if isinstance(call.arguments["calls"], dict) else list(found.values())


def _pretended_batch(arguments: Mapping[str, Json]) -> Json:
    calls = arguments["calls"]
    return {name: {} for name in calls} if isinstance(calls, dict) else [{} for _ in calls]


# --- what is told ------------------------------------------------------------------------------------------------


def _name(arguments: Mapping[str, Json]) -> str:
    return str(arguments["method"])[:_SHOWN]


def _names(arguments: Mapping[str, Json]) -> str:
    calls = arguments["calls"]
    given = calls.values() if isinstance(calls, dict) else calls
    methods = [one if isinstance(one, str) else str(one[0]) if isinstance(one, list) and one else "" for one in given]
    return ", ".join(dict.fromkeys(filter(None, methods)))[:_SHOWN]


def _refused(call: Call, error: PortalError) -> ToolFailedError:
    if error.reason in ("slow", "aborted"):
        _wait_for_the_end(call)
        return late(call, (_names if call.method == "batch" else _name)(call.arguments))
    usage = _COMMANDS if call.method == "batch" else "Bitrix24's REST reference names the methods."
    remedy = usage if error.reason == "usage" else "Deal with it: try: … except Exception: …"
    return ToolFailedError(f"{call.name}: {error.message}", error.remedy or remedy)


def _wait_for_the_end(call: Call) -> None:
    """Wait until *call* is given up, at this very moment: whoever does that says where the time went."""
    is_over = threading.Event()
    call.on_abort(is_over.set)
    is_over.wait(GRACE_S)
