"""Download of well-known data sets, with a quick and detailed error message on failure."""

import importlib.util
import shutil
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from datamodules.catalogue import always_there
from datamodules.vision_files import locate
from datamodules.vision_table import ImageSet
from lightning_gans.core.errors import UserError
from lightning_gans.core.files import locked

PATIENCE = 5.0  # seconds to wait for a first answer
STALL = 30.0  # seconds without data after which a download is aborted


def fetch(data: str, image_set: ImageSet, root: Path) -> None:
    """Download a set into `root` in torchvision's layout; one process at a time.

    Raises:
        UserError: the download failed; the message lists missing files, attempts and alternatives.
    """
    missing = f"data={data} is not in {root} ({_looked_for(image_set)})"
    if image_set.downloads is None:
        page = image_set.addresses[0]
        raise UserError(f"{missing} and is too large to download by itself: unpack it there from {page}. {advice()}")
    name, calls = image_set.downloads
    if name == "CelebA" and importlib.util.find_spec("gdown") is None:
        raise UserError(f"{missing} and its download needs a package that is not here: pip install gdown. {advice()}")
    failures = unreachable(image_set.addresses)
    if len(failures) == len(image_set.addresses):
        tried = "; ".join(f"{address}: {reason}" for address, reason in failures.items())
        raise UserError(f"{missing} and cannot be downloaded ({tried}). {advice()}")

    import torchvision

    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL)
    try:
        with locked(root / ".download.lock"):
            if locate(root, image_set.aliases, image_set.layouts):
                return  # another process was faster
            staging = root / ".download"  # hides incomplete files; kept after an interruption, and resumed
            for arguments in calls:
                getattr(torchvision.datasets, name)(str(staging), download=True, **arguments)
            settle(staging, root)
            shutil.rmtree(staging)
    except Exception as error:  # torchvision may raise any exception if a download fails
        tried = ", ".join(image_set.addresses)
        raise UserError(
            f"{missing} and its download from {tried} failed: {type(error).__name__}: {error}. {advice()}"
        ) from error
    finally:
        socket.setdefaulttimeout(patience)


def refuse(data: str, image_set: ImageSet, root: Path) -> UserError:
    """Return the error for a missing set that may not be downloaded."""
    where = f"not in {root} ({_looked_for(image_set)})" if root.is_dir() else f"not there: {root} is no folder"
    return UserError(f"data={data} is {where}, and data.download=false. {advice()}")


def advice() -> str:
    """Return a sentence with the settings that need no download."""
    return (
        "Say data_dir=DIR with a folder that holds it (as torchvision lays it out, or nested by its name), or take a "
        f"choice that needs no download: data= one of {', '.join(always_there())}, or data=folder with your own images."
    )


def unreachable(addresses: Sequence[str]) -> dict[str, str]:
    """Return the addresses that did not answer within PATIENCE, with reasons; all are requested in parallel."""
    reasons = dict.fromkeys(addresses, f"no answer in {PATIENCE:g} s")

    def ask(address: str) -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=PATIENCE).close()
        except urllib.error.HTTPError:
            pass  # an HTTP error is an answer as well
        except OSError as error:
            reasons[address] = str(getattr(error, "reason", error))
            return
        del reasons[address]

    threads = [threading.Thread(target=ask, args=(address,), daemon=True) for address in addresses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return dict(reasons)


def settle(source: Path, target: Path) -> None:
    """Move the contents of `source` to `target`, merging folders."""
    for entry in source.iterdir():
        goal = target / entry.name
        if entry.is_dir() and goal.is_dir():
            settle(entry, goal)
        else:
            entry.replace(goal)


def _looked_for(image_set: ImageSet) -> str:
    names = [names[0] for names in image_set.layouts[0].values()]
    shown = ", ".join(names[:2]) + (", ..." if len(names) > 2 else "")
    return f"looked for {shown} there and in its folders {', '.join(image_set.aliases)}, raw"
