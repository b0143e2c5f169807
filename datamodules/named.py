"""Creation of an image data module from a name: a data set, or a folder."""

from pathlib import Path
from typing import Any

from datamodules import checks
from datamodules.bad_files import OnBadFile
from datamodules.catalogue import CATALOGUE, data_class
from datamodules.images import FileSettings, ImageData, ImageShape
from lightning_gans.core.errors import UserError


def image_data(
    name: str,
    *,
    key: str,
    data_dir: str | Path,
    batch_size: int,
    image_size: int,
    channels: int,
    download: bool = True,
    photos: str | Path | None = None,
    files: FileSettings | None = None,
    load_size: int | None = None,
) -> ImageData:
    """Create the data module for a setting that names a whole data set.

    Args:
        name: a choice of `data=` with images, or else a folder of images (`./digits` for a folder of that name).
        key: the setting, for messages: "a" for data.a.
        data_dir: folder of the files of real sets, also for downloads.
        photos: the folder of photographs for `mnistm`.
        files: settings of the user's own files, if `name` is a folder.
        load_size: size of the images from which random training crops are taken, if `name` is a folder.

    Raises:
        UserError: the name is neither a set of images nor a folder.
    """
    shape = ImageShape(batch_size=batch_size, image_size=image_size, channels=channels)
    entry = CATALOGUE.get(name)
    if entry is None or name == "folder":
        folder = checks.folder(key, name)
        if not folder.is_dir():
            known = ", ".join(
                known for known in CATALOGUE if issubclass(data_class(known), ImageData) and known != "folder"
            )
            raise UserError(f"data.{key}={name} is neither a folder nor a set of images ({known}).")
        from datamodules.folder import Folder

        own: dict[str, Any] = {"load_size": load_size, **(files or {})}
        found = Folder(root=str(folder), **shape, **own)
        found.key = key
        return found
    if load_size is not None:
        raise UserError(
            f"data.load_size={load_size} resizes files, and data.{key}={name} is a set of images of one size. Say "
            "data.load_size=null, or name a folder."
        )
    if not issubclass(data_class(name), ImageData):
        raise UserError(f"data.{key}={name}: that are no images. Say the name of a set of images, or a folder.")
    if name == "mnistm":
        from datamodules.mnistm import MNISTM

        bad: OnBadFile = files["on_bad_file"] if files else "skip"
        return MNISTM(photos=photos, root=data_dir, download=download, on_bad_file=bad, **shape)
    if entry.needs_download or name == "lsun":
        from datamodules.vision import Vision

        return Vision(name="lsun_bedroom" if name == "lsun" else name, root=data_dir, download=download, **shape)
    from datamodules.digits import Digits
    from datamodules.shifted import DigitsShifted
    from datamodules.textured import DigitsTextured

    return {"digits": Digits, "digits_textured": DigitsTextured, "digits_shifted": DigitsShifted}[name](**shape)
