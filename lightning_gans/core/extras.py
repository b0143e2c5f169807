"""Optional packages: those of the extras in setup.cfg that a user's command needs. Imports none of them."""

from importlib.util import find_spec

from lightning_gans.core.errors import UserError

# extra -> the modules that have to be there
EXTRAS = {"onnx": ("onnx", "onnxscript"), "video": ("imageio_ffmpeg",)}


def need(extra: str) -> None:
    """Refuse a setting of the name of an extra, where its packages are not installed.

    Raises:
        UserError: names them and the command that installs them.
    """
    missing = [name for name in EXTRAS[extra] if find_spec(name) is None]
    if missing:
        raise UserError(
            f"{extra}= needs the package{'s' * (len(missing) > 1)} {' and '.join(missing)}, not installed here. Say: "
            f"pip install 'lightning-gans[{extra}]'"
        )
