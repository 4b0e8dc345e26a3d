"""Servers that tests start."""

import urllib.request


def answers(address: str) -> bool:
    """Whether a server says there that all is well."""
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return response.status == 200
    except OSError:
        return False
