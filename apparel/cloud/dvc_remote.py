"""DVC's default remote as a job needs it: address and options without passwords, and the data that it should have."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from apparel.errors import UserError, one_line, plain
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


def check_data() -> None:
    """Raises a `UserError` where a job would get other data than are here, or none; DVC would send what it knows.

    It looks at what `dvc add` and `apparel import` track. Outputs of stages are made again where they are missing.
    """
    from dvc.repo import Repo

    try:
        with Repo() as repo, repo.lock:
            remote = repo.cloud.get_remote()
            by_version = remote.worktree or remote.fs.version_aware  # without files that are named by hash
            for out in [out for stage in repo.index.stages if stage.is_data_source for out in stage.outs]:
                if not out.hash_info or not out.use_cache:
                    continue
                if out.exists and out.changed_checksum():
                    raise UserError(
                        f"{plain(str(out))} changed since DVC took it up, and the job would get the former data; "
                        "`dvc add` takes up the change, `dvc checkout` brings the former back"
                    )
                if by_version or not out.changed_cache():
                    continue
                if not repo.cloud.get_remote_odb(hash_name=out.hash_name).exists(out.hash_info.value):
                    raise UserError(
                        f"{plain(str(out))} is neither in DVC's cache here nor in its remote '{remote.name}'; "
                        "`dvc push` where it is, or `dvc add` it here"
                    )
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 - DVC's own, or that of the store's library
        raise UserError(f"the data cannot be compared with what DVC knows: {addresses.reason(error)}") from None
