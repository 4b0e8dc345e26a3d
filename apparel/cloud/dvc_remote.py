"""DVC's default remote as a job needs it: its name, address and options without passwords."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from apparel.errors import UserError, one_line
from apparel.utils import addresses, buckets

PLAIN_OPTIONS = ("endpointurl", "region", "projectname", "profile", "version_aware", "allow_anonymous_login")
"""Options of a remote that say where it is and hold no password; the job gets these, even from .dvc/config.local."""

ADD = "`dvc remote add --default storage gs://BUCKET/apparel/dvc` adds one"
"""Remedy where there is no remote."""


@dataclass(frozen=True)
class Remote:
    """A remote of DVC; `options` has its `url` and those of `PLAIN_OPTIONS`, as text."""

    name: str
    options: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Its address, a file:// one for a folder."""
        url = self.options["url"]
        return url if "://" in url else Path(url).absolute().as_uri()

    @property
    def is_here_only(self) -> bool:
        """Whether it is a folder of this machine."""
        return buckets.is_here_only(self.address)


def default_remote() -> Remote:
    """The remote to which `dvc push` sends.

    Raises:
        UserError: there is none, its address has a password, or DVC's settings cannot be read.
    """
    from dvc.config import Config, ConfigError

    try:
        config = Config(str(Path(".dvc").absolute()))  # a `Repo` would make folders
    except ConfigError as error:
        raise UserError(f"DVC's settings cannot be read: {addresses.without_password(one_line(error))}") from None
    name = config["core"].get("remote")
    remote = config["remote"].get(name, {})
    if not name or not remote.get("url"):
        raise UserError(f"DVC has no default remote, through which the job gets its data; {ADD}")
    url = str(remote["url"])  # `ssh://me@host` has a user and no password
    if urlsplit(url).password is not None or addresses.mask_options(url) != url:
        raise UserError(
            f"the address of DVC's remote '{name}' holds a password, which would leave this machine; "
            "`dvc remote modify --local` keeps them apart from the address"
        )
    options = {key: str(remote[key]) for key in ("url", *PLAIN_OPTIONS) if remote.get(key)}
    return Remote(name, options)
