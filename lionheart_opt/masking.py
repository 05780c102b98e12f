"""URLs as messages and tables show them: without passwords."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

#: What stands for a password.
MASK = "***"
#: All between the first colon after the scheme and the last `@`: a password need not be quoted rightly.
_USER_INFO = re.compile(r"(?:[\w+.-]*:/{1,2}(?!/)|(?![\w+.-]*:/))[^:]*:(.*)@", re.DOTALL)
#: The value of an option that may hold a password; the options of ODBC are one text.
_OPTION = re.compile(
    r"[?&;][^=&;]*(?:pass|pwd|secret|token|credential|api_?key|access_?key|odbc_connect|dsn)"
    r"[^=&;]*=([^&;]*)",
    re.IGNORECASE,
)
#: A URL in a text.
_URL = re.compile(r"[A-Za-z][\w+.-]*:/{1,2}[^\s'\"]+")
#: URLs of files have no passwords, but colons and `@` in names.
_OF_FILES = ("sqlite:", "journal:")


def shown_url(url: str) -> str:
    """The URL of a storage as messages and tables show it: without passwords."""
    shown, end = "", 0
    for start, stop in sorted(_spans(url)):
        if start > end or not shown:
            shown += url[end:start] + MASK
        end = max(end, stop)
    return shown + url[end:]


def masked(text: str) -> str:
    """A text without the passwords of the URLs in it."""
    return _URL.sub(lambda match: shown_url(match[0]), text)


def without(secrets: set[str], text: str) -> str:
    """A text without these passwords."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def secrets_of(url: str) -> set[str]:
    """The passwords in a URL: as they are written, as a server is told them, and as `repr` shows them."""
    written = {url[start:stop] for start, stop in _spans(url)}
    told = {decode(secret) for secret in written for decode in (unquote, unquote_plus)}
    return {way for secret in written | told for way in (secret, repr(secret)[1:-1])} - {""}


def is_cut(url: str) -> bool:
    """Whether SQLAlchemy would end the password at an `@` in it, and ask the rest for a database."""
    if url.startswith(_OF_FILES) or not (user_info := _USER_INFO.match(url)):
        return False
    return "@" in user_info[1].partition("?")[0]


def _spans(url: str) -> Iterator[tuple[int, int]]:
    """Where passwords are in a URL."""
    matches = list(_OPTION.finditer(url))
    if not url.startswith(_OF_FILES) and (user_info := _USER_INFO.match(url)):
        matches.append(user_info)
    yield from (match.span(1) for match in matches if match[1])
