"""Names that came up already, of any number, in little memory."""

import hashlib
import sqlite3


class SeenNames:
    """A set of names: 64 bits of a hash of each, in SQLite's temporary file on the disk; a Python set of a million
    names takes 150 MB. Among ten million names, two that share the bits are found once in 400,000 sets."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE names (hash INTEGER PRIMARY KEY)")
        self._database.execute("BEGIN")  # for good: a transaction a name would take twice as long

    def add(self, name: str) -> bool:
        """Adds a name; returns whether it is new."""
        digest = hashlib.blake2b(name.encode("utf-8", errors="surrogatepass"), digest_size=8).digest()
        value = int.from_bytes(digest, "big", signed=True)
        return self._database.execute("INSERT OR IGNORE INTO names VALUES (?)", (value,)).rowcount == 1

    def close(self) -> None:
        """Removes the file."""
        self._database.close()
