"""Choice between online and offline logging to Weights & Biases, without a prompt and within seconds."""

import http.client
import netrc
import os
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

PATIENCE = 3.0  # seconds
HOST = "api.wandb.ai"  # host under which `wandb login` stores keys for W&B's own servers, whatever their current name

Mode = Literal["online", "offline", "shared", "disabled"]
_MODES: dict[str, Mode] = {
    "online": "online",
    "run": "online",
    "offline": "offline",
    "dryrun": "offline",
    "shared": "shared",
    "disabled": "disabled",
}


class Choice(NamedTuple):
    """Mode of logging. complaint: the reason, for the user, if the mode is not the requested or expected one."""

    mode: Mode
    complaint: str | None = None


def choose(
    *, offline: bool | None, url: str, standing: str | None = None, has_key: bool = False, patience: float = PATIENCE
) -> Choice:
    """Choose online logging if a user is logged in and the server answers, offline logging otherwise.

    Args:
        offline: mode in the configuration; None: WANDB_MODE, then W&B's settings file, then online if possible.
            WANDB_MODE=disabled always holds.
        url: the server.
        standing: mode in W&B's settings file (`wandb offline` writes it).
        has_key: credentials are known already, independently of the environment and .netrc.
        patience: seconds to wait for the server.
    """
    environment = _MODES.get(os.environ.get("WANDB_MODE", "").strip().lower())
    if environment == "disabled" or (offline is None and standing == "disabled" and environment is None):
        return Choice("disabled")
    wish = ("offline" if offline else "online") if offline is not None else environment
    if wish == "offline" or (wish is None and standing in ("offline", "dryrun")):
        return Choice("offline")
    if not (has_key or logged_in(url)):
        complaint = f"nobody is logged in at {url}: `wandb login`, or set WANDB_API_KEY"
        return Choice("offline", None if wish is None else complaint)  # no complaint in the usual case
    if not answers(url, patience):
        return Choice("offline", f"{url} did not answer within {patience:g} s")
    return Choice("shared" if wish == "shared" else "online")


def logged_in(url: str) -> bool:
    """Return True if there are credentials for the server; they are not verified."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    aliases = [HOST] if (urlsplit(url).hostname or "").endswith((".coreweave.com", ".wandb.ai")) else []
    named = os.environ.get("NETRC")
    files = [Path(named).expanduser()] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]
    for file in files:
        try:
            if any(netrc.netrc(str(file)).authenticators(host) for host in (urlsplit(url).netloc, *aliases)):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False


def answers(url: str, patience: float = PATIENCE) -> bool:
    """Return True if the server answers within `patience` seconds, through configured proxies."""
    heard = threading.Event()

    def ask() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=patience):
                heard.set()
        except urllib.error.HTTPError:
            heard.set()
        except (OSError, ValueError, http.client.HTTPException):
            pass

    # in a thread, because a name look-up has no time limit
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(patience)
    return heard.is_set()
