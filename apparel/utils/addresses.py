"""Addresses of servers without users and passwords, and texts without the passwords of addresses."""

import re
import sys
from collections.abc import Iterable
from urllib.parse import quote, unquote

from apparel.errors import one_line

SHORTEST_PASSWORD = 4
"""Characters. A shorter password is masked in addresses only: elsewhere it would match parts of words."""

_USER = re.compile(r"^([\w+.-]+://)(?:([^/:]*)(?::(.*))?)@")
_TEXT_USER = re.compile(r"(?<![\w+.-])([\w+.-]++://)[^/\s:]*(?::\S*)?@")
"""User and password in an address, and in running text, where a space ends the address. A password extends to the last
`@`."""

_TO_LAST_AT = re.compile(r"(?<!\S)\S+@")
"""The part of a word in which `_TEXT_USER` is searched. Each pattern here takes time in proportion to a text's length,
since messages of servers and databases go through them."""

_SECRET_OPTION = re.compile(
    r"([?&](?=[^=&?\s]*?(?:pass|pwd|secret|token))[^=&?\s]*+)=([^&\s]*)",
    re.IGNORECASE,
)
"""A password in the options of an address, such as `?password=…` of a PostgreSQL database."""


def address_only(address: str) -> str:
    """An address without user name and password."""
    return mask_options(_USER.sub(r"\1", address))


def mask_options(address: str) -> str:
    """An address whose options, such as `?token=…`, show no password."""
    return _SECRET_OPTION.sub(r"\1=***", address)


def without_password(text: str, addresses: Iterable[str] = ()) -> str:
    """A text without the users and passwords of the addresses in it.

    Args:
        text: such as a library's message.
        addresses: of which no form of the password is left, also where it stands alone or was taken for a host.
    """
    for address in addresses:  # whole, since only here a space does not end it
        text = text.replace(address, address_only(address))
        for secret in _secrets(address):
            for form in sorted({secret, unquote(secret), quote(unquote(secret), safe="")}, key=len, reverse=True):
                # What follows an '@' or ':' in a password is taken for a host, what precedes it for the password.
                for part in sorted({form, *re.split(r"[@:/?#]", form)}, key=len, reverse=True):
                    text = text.replace(part, "***") if len(part) >= SHORTEST_PASSWORD else text
                    text = text.replace(f"{part}@", "***@") if part else text
    return mask_options(_TO_LAST_AT.sub(lambda word: _TEXT_USER.sub(r"\1", word[0]), text))


def reason(error: BaseException, addresses: Iterable[str] = ()) -> str:
    """The message of a library's error on one line without passwords, cut only then: half a password has no `@`."""
    return without_password(one_line(error, limit=sys.maxsize), addresses)[:300]


def _secrets(address: str) -> list[str]:
    """The passwords in an address; the user where there is no password, since that may be a token."""
    user = _USER.match(address)
    secrets = [user[3] or user[2]] if user else []
    return [*secrets, *(secret for _, secret in _SECRET_OPTION.findall(address))]
