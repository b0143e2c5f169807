"""Optional packages, by the extras of setup.cfg that settings and commands need. Imports none of them."""

from importlib.util import find_spec

from lightning_gans.core.errors import UserError

# extra -> modules that must be installed
EXTRAS = {"onnx": ("onnx", "onnxscript"), "video": ("imageio_ffmpeg",)}


def need(extra: str) -> None:
    """Check that the packages of an extra are installed; settings that need it have its name.

    Raises:
        UserError: names the missing packages and the command that installs them.
    """
    missing = [name for name in EXTRAS[extra] if find_spec(name) is None]
    if missing:
        raise UserError(
            f"{extra}= needs the package{'s' * (len(missing) > 1)} {' and '.join(missing)}, not installed here. Say: "
            f"pip install 'lightning-gans[{extra}]'"
        )
