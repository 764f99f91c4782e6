"""
What pages say, by the language of the portal's pages for whoever looks at them.
"""

RUSSIAN = ("ru", "by", "kz", "ua", "uz", "kg")
RU = {
    "calls": "Звонки",
    "no_calls": "Звонков с этим клиентом ещё не было.",
    "incoming": "Входящий",
    "outgoing": "Исходящий",
    "callback": "Обратный звонок",
    "missed": "пропущен",
    "unknown": "Клиент не найден в CRM",
    "hidden": "Номер скрыт",
    "deals": "Открытые сделки",
    "no_deals": "Открытых сделок нет.",
    "notes": "Заметки",
    "no_notes": "Заметок об этом номере пока нет.",
    "note": "Новая заметка",
    "save": "Сохранить",
}
EN = {
    "calls": "Calls",
    "no_calls": "There were no calls with this client yet.",
    "incoming": "Incoming",
    "outgoing": "Outgoing",
    "callback": "Callback",
    "missed": "missed",
    "unknown": "Not in the CRM yet",
    "hidden": "Hidden number",
    "deals": "Open deals",
    "no_deals": "There are no open deals.",
    "notes": "Notes",
    "no_notes": "There are no notes on this number yet.",
    "note": "New note",
    "save": "Save",
}


def words(language):
    """
    Return the texts for a language of the portal: Russian where that is read, else English.
    """
    return RU if language in RUSSIAN else EN
