"""
Tab in the call card: who calls, the open deals, and notes on the number that everybody sees who talks to it.

Settings: deals, how many open deals to show; notes = true for the notes. Texts are in lib/words.py.
"""

from lib.words import words

OF = {"CONTACT": "CONTACT_ID", "COMPANY": "COMPANY_ID"}


def call_card(placement, bitrix, store, phones, clock, settings):
    if not settings.get("deals") and not settings.get("notes"):
        return None
    call = placement["options"]
    number = phones.e164(call["PHONE_NUMBER"]) or call["PHONE_NUMBER"]
    context = {"words": words(placement["language"]), "number": number, "direction": call["CALL_DIRECTION"]}
    context["client"], context["deals"] = _client(bitrix, call, settings.get("deals", 0))
    if settings.get("notes") and number:
        context["notes"] = _notes(store, f"notes:{number}", placement["form"], clock)
    return {"template": "call_card.html", "context": context}


def _client(bitrix, call, most):
    kind, number = call["CRM_ENTITY_TYPE"], call["CRM_ENTITY_ID"]
    if not most or not number or kind not in OF:
        return None, None
    found = bitrix.call(f"crm.{kind.lower()}.get", {"id": number})
    name = found.get("TITLE") or " ".join(filter(None, [found.get("NAME"), found.get("LAST_NAME")]))
    wanted = {"filter": {OF[kind]: number, "CLOSED": "N"}, "order": {"ID": "DESC"}}
    deals = bitrix.list("crm.deal.list", wanted | {"select": ["ID", "TITLE", "OPPORTUNITY", "CURRENCY_ID"]}, limit=most)
    return name, [{"title": deal["TITLE"], "sum": _sum(deal)} for deal in deals]


def _sum(deal):
    return f"{float(deal.get('OPPORTUNITY') or 0):,.0f} {deal.get('CURRENCY_ID', '')}".replace(",", "\u00a0")


def _notes(store, key, form, clock):
    notes = store.get(key, [])
    text = str((form or {}).get("note", "")).strip()[:500]
    if text:
        notes = [{"at": clock.now().strftime("%d.%m.%Y %H:%M"), "text": text}, *notes][:20]
        store.set(key, notes)
    return notes
