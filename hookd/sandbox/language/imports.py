"""
What hooks may import, and the words for what they may not.
"""

from difflib import get_close_matches

from hookd.sandbox.language import refusals
from hookd.sandbox.language.modules import IMPORTABLE, OFFERED
from hookd.sandbox.language.refusals import Refusal
from hookd.sandbox.language.remedies import short

_ALL = ", ".join(IMPORTABLE) + ", and lib.<file> of hooks/lib"
_NO_LIB = Refusal("it names no file in hooks/lib.", "Write from lib.name import … (hooks/lib/name.py).")


def import_fault(module: str) -> Refusal | None:
    """
    Return why *module* cannot be imported, as a whole sentence, and what to do; None where it can.

    Whether a lib file is there is not known here (see `libs`).
    """
    if module in OFFERED:
        return None
    refusal = _lib_fault(module) if module == "lib" or module.startswith("lib.") else _module_fault(module)
    return refusal and Refusal(f"import {short(module)}: {refusal.reason}", refusal.remedy)


def member_fault(module: str, name: str) -> Refusal | None:
    """
    Return why the offered *module* has no *name*, as a whole sentence, and what to do; None where it has.
    """
    if name in OFFERED[module]:
        return None
    refusal = refusals.MEMBERS.get(f"{module}.{name}") or Refusal("it is not offered.", _offer(module, name))
    return Refusal(f"{module}.{short(name)}: {refusal.reason}", refusal.remedy)


def _lib_fault(module: str) -> Refusal | None:
    name = module.removeprefix("lib").removeprefix(".")
    return _NO_LIB if not name or "." in name or name.startswith("_") else None


def _module_fault(module: str) -> Refusal:
    refusal = refusals.MODULES.get(module) or refusals.MODULES.get(module.partition(".")[0]) or _unknown(module)
    return Refusal(refusal.reason, f"{refusal.remedy} You may import: {_ALL}.")


def _unknown(module: str) -> Refusal:
    near = get_close_matches(short(module), IMPORTABLE, n=1)
    remedy = f"Did you mean {near[0]}?" if near else "Code that several hooks need goes into hooks/lib."
    return Refusal("hooks have no such module.", remedy)


def _offer(module: str, name: str) -> str:
    near = get_close_matches(short(name), OFFERED[module], n=1)
    question = f"Did you mean {near[0]}? " if near else ""
    return f"{question}{module} offers: {', '.join(sorted(OFFERED[module]))}."
