"""User and password of a git address, passed to git by its environment.

In the address git would show them to every user of the machine, on the command lines of its processes, print a part of
a password with an `@` in its messages, and store them in the clone's settings and in the user's store of passwords.
"""

import os
import re
from urllib.parse import unquote

from apparel.errors import UserError

HELPER = """!f() { printf 'username=%s\\npassword=%s\\n' "$APPAREL_GIT_USER" "$APPAREL_GIT_PASSWORD"; }; f"""
"""A credential helper of git, as gitcredentials(7) describes them."""


def split_credentials(address: str) -> tuple[str, dict[str, str]]:
    """The address without user and password, and the environment variables that give them to git instead.

    Of `https` addresses only, where git sends them; those of others stay as they are, and none are needed.

    Raises:
        UserError: the password has a `/`, which ends the host for git.
    """
    if re.match(r"https?://[^/@]*:(?!\d*/)[^/@]*/.*@", address, re.IGNORECASE):
        raise UserError("the address has an '@' where git sees no password; write %2F for '/' in a password")
    parts = re.match(r"(https?://)([^/]*)@([^/@]*)(.*)", address, re.IGNORECASE | re.DOTALL)
    if not parts:
        return address, {}
    scheme, credentials, host, path = parts.groups()
    user, _, password = credentials.partition(":")
    number = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    variables = {"APPAREL_GIT_USER": unquote(user), "APPAREL_GIT_PASSWORD": unquote(password)}
    for value in ("", HELPER):  # the empty one leaves out the user's own helpers, which would store the password
        variables |= {
            f"GIT_CONFIG_KEY_{number}": f"credential.{scheme}{host}.helper",
            f"GIT_CONFIG_VALUE_{number}": value,
        }
        number += 1
    return f"{scheme}{host}{path}", variables | {"GIT_CONFIG_COUNT": str(number)}
