"""
What people in a portal see: pages in its iframe, safe to show there.

A page may be framed by its own portal and by nobody else, runs the vendor's script and its own, and sets no cookies,
which an iframe would not get back anyway. Who framed a page is only known of portals that proved to be one; a notice
for others says nothing that is worth framing, and a blank frame would help nobody.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from flask import Response, render_template

from hookd.portal.binding import BOUND, FAILED, KEPT, Binding
from hookd.portal.portals import Portal

VENDOR_SCRIPTS = "https://api.bitrix24.com"
NONCE_BYTES = 16
ANYBODY = "https: http:"  # may frame a notice


@dataclass(frozen=True, slots=True)
class Notice:
    """
    A page that only says something, in the language of the reader.
    """

    title: str
    lines: tuple[str, ...]


_NOTICES: Mapping[str, Mapping[str, Notice]] = MappingProxyType(
    {
        "ru": MappingProxyType(
            {
                "refused": Notice(
                    "Страница не открылась",
                    (
                        "Приложение не узнало этот Битрикс24.",
                        "Откройте приложение ещё раз из меню портала. Если не поможет, попросите администратора "
                        "переустановить его.",
                    ),
                ),
                "not_installed": Notice(
                    "Установить не получилось",
                    (
                        "Битрикс24 не подтвердил, что приложение устанавливает администратор этого портала.",
                        "Откройте приложение ещё раз под учётной записью администратора. Если не поможет, пусть "
                        "тот, кто ведёт сервер, сверит bitrix_app_id и bitrix_app_secret с карточкой приложения в "
                        "портале: причина записана в журнале hookd.",
                    ),
                ),
                "bare": Notice(
                    "Откройте эту страницу в Битрикс24",
                    (
                        "Адрес верный, но открыт без данных портала.",
                        "Если вы видите это внутри портала, это место не сообщает приложению, кто его открыл: "
                        "показать здесь ничего нельзя.",
                    ),
                ),
                "home": Notice(
                    "Приложение работает",
                    (
                        "Своей страницы у него нет: оно отвечает на то, что происходит в портале. Если у него есть "
                        "вкладки и кнопки, они на страницах самого портала.",
                    ),
                ),
                "no_hook": Notice("Здесь пока пусто", ("Для этого места портала у приложения ещё нет страницы.",)),
                "busy": Notice("Слишком много запросов", ("Обновите страницу через несколько секунд.",)),
                "trouble": Notice(
                    "Приложение сейчас не отвечает", ("Попробуйте ещё раз через минуту или скажите администратору.",)
                ),
                "failed": Notice(
                    "Страница не получилась",
                    (
                        "При её подготовке произошла ошибка.",
                        "Откройте страницу ещё раз. Если не поможет, передайте администратору этот номер:",
                    ),
                ),
                "expired": Notice(
                    "Страница устарела",
                    ("Она была открыта слишком долго. Закройте её и откройте ещё раз.",),
                ),
                "nothing": Notice("Показать нечего", ("Для этого места у приложения ничего нет.",)),
            }
        ),
        "en": MappingProxyType(
            {
                "refused": Notice(
                    "This page could not be opened",
                    (
                        "The app does not recognize this Bitrix24.",
                        "Open the app again from the portal's menu. If that does not help, ask your administrator to "
                        "install it anew.",
                    ),
                ),
                "not_installed": Notice(
                    "The app could not be installed",
                    (
                        "Bitrix24 did not confirm that an administrator of this portal is installing it.",
                        "Open the app again as an administrator. If that does not help, whoever runs the server should "
                        "compare bitrix_app_id and bitrix_app_secret with the app's page in the portal; hookd's log "
                        "says why.",
                    ),
                ),
                "bare": Notice(
                    "Open this page in Bitrix24",
                    (
                        "The address is right, but it was opened without anything from a portal.",
                        "If you see this inside a portal, this place does not tell the app who opens it: nothing can "
                        "be shown here.",
                    ),
                ),
                "home": Notice(
                    "The app is working",
                    (
                        "It has no page of its own: it answers what happens in the portal. Its tabs and buttons, if it "
                        "has any, are on the portal's own pages.",
                    ),
                ),
                "no_hook": Notice("Nothing here yet", ("The app has no page for this place in the portal.",)),
                "busy": Notice("Too many requests", ("Reload the page in a few seconds.",)),
                "trouble": Notice(
                    "The app does not answer right now", ("Try again in a minute, or tell your administrator.",)
                ),
                "failed": Notice(
                    "This page did not work out",
                    (
                        "Something went wrong while it was being made.",
                        "Open the page again. If that does not help, give this number to your administrator:",
                    ),
                ),
                "expired": Notice("This page has expired", ("It was open for too long. Close it and open it again.",)),
                "nothing": Notice("Nothing to show", ("The app has nothing for this place.",)),
            }
        ),
    }
)
_RUSSIAN = ("ru", "ua", "kz", "by", "uz", "kg")  # languages whose speakers would rather read Russian than English


# Words of the page that ends an installation.
_INSTALLED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "ru": MappingProxyType(
            {
                "title": "Приложение установлено",
                "partly": "Подключено не всё",
                "connected": "Портал подключён.",
                "bound": "Подключено к порталу",
                "failed": "Не удалось подключить",
                "advice": "Устраните причину и откройте приложение ещё раз: оно подключится заново. Или завершите "
                "установку сейчас, а остальное подключите потом командой на сервере:",
                "portal": "Портал",
                "event": "событие",
                "placement": "страница",
                "finish": "Завершить установку",
                "untold": "Портал ещё не знает, что установка закончена",
                "untold_why": "Не отвечает скрипт Битрикс24 с адреса api.bitrix24.com: возможно, его не пускает "
                "блокировщик рекламы или сеть. Разрешите его и откройте приложение ещё раз. До тех пор портал не "
                "присылает событий и не показывает страниц.",
            }
        ),
        "en": MappingProxyType(
            {
                "title": "The app is installed",
                "partly": "Not everything could be bound",
                "connected": "The portal is connected.",
                "bound": "Bound in the portal",
                "failed": "Could not be bound",
                "advice": "Remove the cause and open the app again: it is then bound anew. Or finish the installation "
                "now, and bind the rest later, with this command on the server:",
                "portal": "The portal",
                "event": "event",
                "placement": "page",
                "finish": "Finish the installation",
                "untold": "The portal does not know yet that the installation is over",
                "untold_why": "Bitrix24's script at api.bitrix24.com does not answer: perhaps an ad blocker or the "
                "network keeps it away. Allow it, and open the app again. Until then the portal sends no events and "
                "shows no pages.",
            }
        ),
    }
)


def notice(name: str, language: str, status: int, *, portal: Portal | None = None, detail: str = "") -> Response:
    """
    Return the notice *name*.

    Args:
        language: Of the portal's pages, as it says.
        portal: The one that proved to be it; None where none did.
        detail: For whoever is asked for help.
    """
    nonce, found = make_nonce(), _NOTICES[spoken(language)][name]
    text = render_template(
        "notice.html", language=spoken(language), nonce=nonce, title=found.title, lines=found.lines, detail=detail
    )
    return secured(Response(text, status, content_type="text/html; charset=utf-8"), nonce, portal)


def installed(language: str, portal: Portal, bindings: Sequence[Binding]) -> Response:
    """
    Return the page that ends an installation: it shows what was bound in *portal*, and tells it that all is done.

    Where something failed it waits until somebody has read that. A portal that was told goes on to the app by itself;
    one that cannot be told, since the vendor's script is not there, would send nothing, so the page says it.
    """
    nonce, words = make_nonce(), _INSTALLED[spoken(language)]
    failed = [one for one in bindings if one.state == FAILED]
    text = render_template(
        "installed.html",
        language=spoken(language),
        words=words,
        title=words["partly" if failed else "title"],
        nonce=nonce,
        host=portal.host,
        bound=[one for one in bindings if one.state in (BOUND, KEPT)],
        failed=failed,
    )
    return secured(Response(text, 200, content_type="text/html; charset=utf-8"), nonce, portal)


def spoken(language: str) -> str:
    """
    Return the language in which whoever reads a portal's pages in *language* reads hookd's: ru or en.
    """
    return "ru" if language.lower() in _RUSSIAN else "en"


def make_nonce() -> str:
    """
    Return a new nonce for the scripts and styles of one page.
    """
    return secrets.token_urlsafe(NONCE_BYTES)


def secured(response: Response, nonce: str, portal: Portal | None) -> Response:
    """
    Return *response* with the headers of a page in the portal's iframe.
    """
    framed_by = f"'self' {_origin(portal)}" if portal else ANYBODY
    policy = (
        "default-src 'none'",
        f"script-src 'nonce-{nonce}' {VENDOR_SCRIPTS}",
        f"style-src 'nonce-{nonce}'",
        "img-src 'self' data: https:",
        f"connect-src 'self' {_origin(portal)}" if portal else "connect-src 'self'",  # the vendor's script asks there
        "form-action 'self'",
        "base-uri 'none'",
        f"frame-ancestors {framed_by}",
    )
    response.headers["Content-Security-Policy"] = "; ".join(policy)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"  # the address carries the portal's parameters
    response.headers["Cache-Control"] = "no-store"
    return response


def _origin(portal: Portal) -> str:
    """Where the portal's pages are, from what the authorization server said; never from the request."""
    scheme = portal.endpoint.partition("://")[0]
    return f"{scheme}://{portal.host}"
