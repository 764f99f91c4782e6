"""
Tells a portal what hookd wants to hear of and where it shows pages: what there are hook files for, and nothing else.

A file for one code binds that code; one for a family binds each code of it that the portal knows, the places of custom
types included; `other` binds nothing by itself, since that would be everything. What was bound for files that are gone
is unbound. Handlers of others in the same portal are left alone: hookd's own are known by their address.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Any

import structlog

from hookd.documents import Json
from hookd.errors import PortalError
from hookd.portal import codes
from hookd.portal.patience import Patience
from hookd.portal.renewal import Installed
from hookd.portal.rest import BATCH_MAX, Rest

EVENT, PLACEMENT = "event", "placement"
BOUND, KEPT, REMOVED, FAILED, ELSEWHERE = "bound", "kept", "removed", "failed", "elsewhere"
# The app's own: without them nobody says that it was removed, or brings the token of a new version.
APP_EVENTS = ("ONAPPUNINSTALL", "ONAPPUPDATE")
BIND_S = 20.0  # for all of it
TITLE_CHARACTERS = 100

# A portal's word for why it binds nothing → what to do, in English and in Russian.
_NOT_THERE = (
    "The portal does not have it: perhaps the app lacks its scope, or the portal's plan. Tick the scope on the app's "
    "page in the portal, or remove the hook's file.",
    "В портале этого нет: возможно, у приложения нет нужного права или не тот тариф. Отметьте право в карточке "
    "приложения или уберите файл хука.",
)
_ADDRESS = (
    "Set public_url in hookd.toml to the address at which the internet reaches hookd: https://YOUR.HOST",
    "Укажите в hookd.toml public_url: адрес, по которому hookd виден из интернета, https://YOUR.HOST",
)
_ADMINISTRATOR = ("Open the app as an administrator of the portal.", "Откройте приложение под администратором портала.")
_REMEDIES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "ERROR_EVENT_NOT_FOUND": _NOT_THERE,
        "ERROR_PLACEMENT_NOT_FOUND": _NOT_THERE,
        "INSUFFICIENT_SCOPE": _NOT_THERE,
        "ERROR_PLACEMENT_MAX_COUNT": (
            "Only one may be bound here, and there is one. Unbind the other, or remove the hook's file.",
            "Здесь может быть только один обработчик, и он уже есть. Уберите его или файл хука.",
        ),
        "EMPTY_ERROR_HANDLER_URL": _ADDRESS,
        "ERROR_WRONG_HANDLER_URL": _ADDRESS,
        "ERROR_UNSUPPORTED_PROTOCOL": _ADDRESS,
        "ACCESS_DENIED": _ADMINISTRATOR,
        "USER_ACCESS_ERROR": _ADMINISTRATOR,
    }
)

_TYPED_PLACEMENT = re.compile(r"CRM_DYNAMIC_[0-9]{1,9}_([A-Z_]+)")
_ANY_TYPE = "CRM_DYNAMIC_<id>_"

# Kind and code → method and parameters.
_Commands = Mapping[tuple[str, str], tuple[str, dict[str, Json]]]

log = structlog.get_logger("hookd.portal")


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What hookd wants to have bound.

    Attributes:
        base: hookd's address for portals, with the site's path: https://hooks.example.com/sites/acme
        events: Names of the hooks of events.
        placements: Names of the hooks of placements.
        titles: Name of a placement's hook → what its button or tab says: a text, or texts by language.
    """

    base: str
    events: tuple[str, ...] = ()
    placements: tuple[str, ...] = ()
    titles: Mapping[str, Json] = field(default_factory=dict)

    def handler(self, kind: str) -> str:
        """Return the address that is bound."""
        return f"{self.base}/bitrix24/{kind}"


@dataclass(frozen=True, slots=True)
class Binding:
    """
    One code, and what became of it.

    Attributes:
        kind: EVENT or PLACEMENT; "" where all of them failed.
        state: BOUND, KEPT (it was before), REMOVED, FAILED, or ELSEWHERE: bound, but at another address.
        why: What the portal said against it, or that address; "" otherwise.
    """

    kind: str
    code: str
    state: str
    why: str = ""

    def remedy(self, language: str = "en") -> str:
        """Return what to do against *why*, in Russian (ru) or English; "" where nothing more is known."""
        english, russian = _REMEDIES.get(self.why.partition(" ")[0].upper(), ("", ""))
        return russian if language == "ru" else english


@dataclass(frozen=True, slots=True)
class _Known:
    """What a portal has of hookd, and what it can have: codes."""

    events: tuple[str, ...]
    placements: tuple[str, ...]
    available: tuple[str, ...]
    faults: tuple[Binding, ...]


class Binder:
    """
    Binds and unbinds, by the portal's REST methods; its methods block, and any thread may call them.
    """

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def bind(self, who: Installed, wish: Wish, patience: Patience) -> list[Binding]:
        """
        Bind what *wish* asks for and is not bound, and unbind what is bound beyond it.

        Returns:
            Every code with what became of it; a portal that does not answer is a failure, too.
        """
        try:
            known = self._look(who, wish, patience)
            events = dict.fromkeys((*APP_EVENTS, *(code for name in wish.events for code in event_codes(name))))
            places: dict[str, str] = {}
            for name in sorted(wish.placements, key=_breadth):
                for code in placement_codes(name, known.available):
                    places.setdefault(code, name)
            commands = {
                **{(EVENT, code): _event_bind(code, wish) for code in events if code not in known.events},
                **{
                    (PLACEMENT, code): _placement_bind(code, wish, wish.titles.get(name))
                    for code, name in places.items()
                    if code not in known.placements
                },
            }
            gone = {
                **{(EVENT, code): _event_unbind(code, wish) for code in known.events if code not in events},
                **{(PLACEMENT, code): _placement_unbind(code, wish) for code in known.placements if code not in places},
            }
            kept = [Binding(EVENT, code, KEPT) for code in events if code in known.events]
            kept += [Binding(PLACEMENT, code, KEPT) for code in places if code in known.placements]
            return [
                *known.faults,
                *kept,
                *self._do(who, commands, BOUND, patience),
                *self._do(who, gone, REMOVED, patience),
            ]
        except PortalError as error:
            return [Binding("", "", FAILED, str(error))]

    def unbind(self, who: Installed, wish: Wish, patience: Patience) -> list[Binding]:
        """
        Unbind all that is bound to hookd's address.
        """
        try:
            known = self._look(who, wish, patience)
            commands = {(EVENT, code): _event_unbind(code, wish) for code in known.events}
            commands |= {(PLACEMENT, code): _placement_unbind(code, wish) for code in known.placements}
            return self._do(who, commands, REMOVED, patience)
        except PortalError as error:
            return [Binding("", "", FAILED, str(error))]

    def look(self, who: Installed, wish: Wish, patience: Patience) -> list[Binding]:
        """
        Return what the app has bound: at hookd's address, and elsewhere.

        Raises:
            PortalError: The portal does not answer.
        """
        asked = {EVENT: "event.get", PLACEMENT: "placement.get"}
        found, errors = self._rest.batch(who, {kind: (method, {}) for kind, method in asked.items()}, patience)
        faults = [Binding("", asked[kind], FAILED, why) for kind, why in errors.items() if kind in asked]
        bound = [
            Binding(kind, code, KEPT) if handler == wish.handler(kind) else Binding(kind, code, ELSEWHERE, handler)
            for kind in asked
            for code, handler in _handlers(found.get(kind), kind)
        ]
        return [*faults, *bound]

    def _look(self, who: Installed, wish: Wish, patience: Patience) -> _Known:
        asked = {"events": "event.get", "placements": "placement.get", "available": "placement.list"}
        found, errors = self._rest.batch(who, {name: (method, {}) for name, method in asked.items()}, patience)
        faults = [Binding("", asked[name], FAILED, why) for name, why in errors.items() if name in asked]
        available = found.get("available")
        return _Known(
            events=tuple(_codes(found.get("events"), "event", wish.handler(EVENT))),
            placements=tuple(_codes(found.get("placements"), "placement", wish.handler(PLACEMENT))),
            available=tuple(code for code in available if isinstance(code, str)) if isinstance(available, list) else (),
            faults=tuple(faults),
        )

    def _do(self, who: Installed, commands: _Commands, state: str, patience: Patience) -> list[Binding]:
        made = []
        rows = iter(commands.items())
        while some := list(islice(rows, BATCH_MAX)):
            named = {f"c{number}": command for number, (_, command) in enumerate(some)}
            _, errors = self._rest.batch(who, named, patience)
            for number, ((kind, code), _) in enumerate(some):
                why = errors.get(f"c{number}", "")
                made.append(Binding(kind, code, FAILED if why else state, why))
        return made


def event_codes(name: str) -> list[str]:
    """
    Return the codes that the hook *name* of an event is bound for.
    """
    if name == codes.OTHER:
        return []
    known = [code for code, row in codes.events().items() if row.name == name]
    family = [code for code, row in codes.events().items() if row.family == name]
    if known or family:
        return [code for code in known or family if not code.startswith("ONAPP")]
    return [] if name.startswith("onapp") else [_written(name)]


def placement_codes(name: str, available: Collection[str]) -> list[str]:
    """
    Return the codes that the hook *name* of a placement is bound for; *available* are those that the portal knows.
    """
    if name == codes.OTHER:
        return []
    rows = codes.placements()
    own = [row for row in rows.values() if row.name == name]
    family = [row for row in rows.values() if row.family == name and row.is_bindable]
    if own:
        return [row.code for row in own if row.is_bindable]
    if not family:
        return [_written(name)]
    return [code for row in family for code in _with_types(row.code, available)]


def _with_types(code: str, available: Collection[str]) -> Iterator[str]:
    """*code*; where it is of any custom type, that of each type that the portal has."""
    if not code.startswith(_ANY_TYPE):
        if not available or code in available:
            yield code
        return
    for other in sorted(available):
        typed = _TYPED_PLACEMENT.fullmatch(other)
        if typed and code == _ANY_TYPE + typed[1]:
            yield other


def _breadth(name: str) -> int:
    """Hooks of one code come before those of many: they name it."""
    return sum(row.family == name for row in codes.placements().values())


def _written(name: str) -> str:
    """The code for which a hook of this name that no table knows is."""
    return name.removeprefix("code_").upper()


def _codes(rows: Json, key: str, handler: str) -> Iterable[str]:
    return (code for code, where in _handlers(rows, key) if where == handler)


def _handlers(rows: Json, key: str) -> Iterator[tuple[str, str]]:
    """Each code in the *rows* of a portal, and the address that is bound for it."""
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and isinstance(row.get(key), str):
            yield row[key].upper(), str(row.get("handler") or "")


def _event_bind(code: str, wish: Wish) -> tuple[str, dict[str, Json]]:
    return "event.bind", {"event": code, "handler": wish.handler(EVENT)}


def _event_unbind(code: str, wish: Wish) -> tuple[str, dict[str, Json]]:
    return "event.unbind", {"event": code, "handler": wish.handler(EVENT)}


def _placement_bind(code: str, wish: Wish, title: Json) -> tuple[str, dict[str, Json]]:
    parameters: dict[str, Any] = {"PLACEMENT": code, "HANDLER": wish.handler(PLACEMENT)}
    if isinstance(title, str) and title:
        parameters["TITLE"] = title[:TITLE_CHARACTERS]
    elif isinstance(title, dict):
        texts = {language: {"TITLE": str(text)[:TITLE_CHARACTERS]} for language, text in title.items()}
        parameters["LANG_ALL"] = texts
    return "placement.bind", parameters


def _placement_unbind(code: str, wish: Wish) -> tuple[str, dict[str, Json]]:
    return "placement.unbind", {"PLACEMENT": code, "HANDLER": wish.handler(PLACEMENT)}
