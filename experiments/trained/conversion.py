"""Voice conversion of a whole recording to another speaker's voice, by a trained model."""

import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import cli
from experiments.settings.suggest import did_you_mean, nearest
from experiments.trained import inference
from experiments.trained.loading import config_of, load_data, using
from experiments.trained.progress import shown
from lightning_gans.core.errors import UserError
from lightning_gans.core.received import printable

# Nothing above imports torch, so that invalid arguments are reported immediately.
if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from datamodules.melspectrogram import LogMel
    from experiments.trained.sample_request import Request

    Wave = np.ndarray[tuple[int], np.dtype[np.float32]]

LONGEST = 600  # seconds of a recording: phases are reconstructed in memory, in a quarter of real time
UTTERANCES = 64  # most utterances of a speaker, of which the most typical is chosen
# Settings of a run's spectrograms, with bounds against untrusted files.
BOUNDS = {"sample_rate": (4000, 192_000), "mels": (8, 1024), "frames": (4, 4096)}


def recording(text: str) -> Path:
    """Return the path of the recording to convert.

    Raises:
        UserError: it does not exist, or is not a single file.
    """
    paths = inference.inputs("convert", text, "Name a sound file (wav, flac, ...).")
    if len(paths) != 1 or paths[0].is_dir():
        raise UserError(f"convert={text}: name one sound file (wav, flac, ...).")
    return paths[0]


def check(request: "Request") -> None:
    """Refuse a conversion without speaker= or out=.

    Raises:
        UserError: an argument is missing; the message names it.
    """
    if request.speaker is None:
        raise UserError(
            f"convert={request.convert} needs a speaker: say speaker=NAME, or NUMBER, of the training data, or "
            "speaker=FILE.wav, a recording of anybody."
        )
    if request.out is None:
        raise UserError(f"convert={request.convert} needs a place: say out=FILE.wav.")
    if request.convert is not None and request.out.resolve() == request.convert.resolve():
        raise UserError(f"out={request.out} is the recording itself. Name another file.")


def need(model: Any, run: Path) -> None:
    """Refuse a model that cannot convert voices.

    Raises:
        UserError: the model cannot; the message lists variants that can.
    """
    from lightning_gans.core.protocols import Converts

    if not isinstance(model, Converts):
        raise UserError(
            f"convert=: the {type(model).__name__} of run={run} does not convert voices. Name a run of "
            "variant=disentangle or disentangle_pairs."
        )


def convert(request: "Request", model: Any, iteration: int | None) -> int:
    """Write a recording in another speaker's voice as a wav file (16 bit, mono); return 0.

    Raises:
        UserError: the recording cannot be read, the speaker does not exist, or the file cannot be written.
    """
    import soundfile

    from lightning_gans.core.files import write_atomically

    assert request.convert is not None
    assert request.speaker is not None
    assert request.out is not None
    start = time.monotonic()
    config = config_of(request.run)
    spectrogram = spectrogram_of(config, request.run)
    wave = read("convert", request.convert, spectrogram.sample_rate)
    with shown("Reading the speaker's recordings"):
        name, utterances = target(request, config, spectrogram)
    with using(request.run), shown("Converting"):
        x = converted(model, wave, typical(model, utterances), spectrogram)
    with shown("Finding the phases"):
        sound = spectrogram.waves(x[None])[0, : len(wave)]
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, spectrogram.sample_rate, format="WAV", subtype="PCM_16")
    write_atomically(request.out, buffer.getvalue())
    of = f" (iteration {iteration:,})" if iteration is not None else ""
    cli.tell(
        f"{len(wave) / spectrogram.sample_rate:.1f} s of {request.convert} in the voice of {name} by {request.run}{of} "
        f"in {time.monotonic() - start:.1f} s:"
    )
    cli.tell(f"  out     {request.out}")
    return 0


def spectrogram_of(config: Mapping[str, Any], run: Path) -> "LogMel":
    """Build the spectrogram transform of a run from its settings: the exported model lacks the sample rate.

    Raises:
        UserError: the settings do not describe speech.
    """
    from datamodules.melspectrogram import LogMel
    from experiments.settings import places  # imports datamodules, which sampling does not need

    data = config["data"]
    arguments = places.arguments(data)
    found = {}
    for name, (low, high) in BOUNDS.items():
        value = data.get(name, arguments[name].default if name in arguments else None)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise UserError(
                f"convert=: the settings of run={run} say data.{name}={printable(value, 40)}, which is none of "
                f"spectrograms ({low} to {high:,}). Name a run of variant=disentangle on speech."
            )
        found[name] = value
    return LogMel(**found)


def read(key: str, path: Path, rate: int) -> "Wave":
    """Read a recording in any format of libsndfile, average its channels, and resample it to `rate`.

    Raises:
        UserError: it cannot be read, is empty, or is longer than ten minutes.
    """
    import soundfile
    from librosa import resample

    try:
        with soundfile.SoundFile(path) as file:
            if file.frames * file.channels > LONGEST * file.samplerate * 8 or file.frames > LONGEST * file.samplerate:
                raise ValueError(f"it is longer than {LONGEST // 60} minutes; cut it in parts")
            wave = file.read(dtype="float32", always_2d=True).mean(axis=1)
            if file.samplerate != rate and len(wave):
                wave = resample(wave, orig_sr=file.samplerate, target_sr=rate)
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise UserError(f"{key}={path} cannot be used: {str(error).strip().rstrip('.')}.") from error
    return _sound(key, path, wave)


def _sound(key: str, path: Path, wave: "Wave") -> "Wave":
    import numpy as np

    if not len(wave) or not np.isfinite(wave).all():
        raise UserError(
            f"{key}={path} cannot be used: it {'holds NaN or infinite numbers' if len(wave) else 'is empty'}."
        )
    return wave


def target(request: "Request", config: Mapping[str, Any], spectrogram: "LogMel") -> tuple[str, "Tensor"]:
    """Return the target speaker's name and utterances (N, mels, frames).

    Raises:
        UserError: the speaker or the data do not exist.
    """
    from datamodules.speech_files import SUFFIXES
    from lightning_gans.models import class_names

    assert request.speaker is not None
    path = Path(request.speaker)
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return str(path), segments(read("speaker", path, spectrogram.sample_rate), spectrogram)
    try:
        data = load_data(config, allow=request.allow)
        names = data.speaker_names
    except UserError as error:
        raise UserError(f"{error} Or say speaker=FILE.wav, a recording of the speaker.") from error
    number = class_names.number_of(request.speaker, names, len(names))
    if number is None:
        hint = did_you_mean(f"speaker={name}" for name in nearest(request.speaker, names))
        raise UserError(
            f"speaker={request.speaker}: there is no such speaker in the data of run={request.run}, and no such sound "
            f"file.{hint} The {len(names)} speakers are {class_names.listed(names)}, or 0 to {len(names) - 1} by "
            "number."
        )
    return names[number], _utterances(data, number)


def _utterances(data: Any, number: int) -> "Tensor":
    """Return utterances of a speaker in a run's data, about UTTERANCES if there are so many."""
    import torch

    from datamodules import Speech

    if not isinstance(data, Speech):
        split = data.split("train")
        x = torch.cat([batch.x for batch in split.batches(256)])
        return x[split.speakers.cpu() == number][:UTTERANCES]
    found: list[Tensor] = []
    refused = ""
    for path in data.files[data.speaker_names[number]]:  # other speakers' files are not read
        try:
            found.append(data.spectrogram(data.segments(path)))
        except ValueError as error:
            refused = f" The last of them that cannot: {path}, {error}."
        if sum(map(len, found)) >= UTTERANCES:
            break
    if not sum(map(len, found)):
        raise UserError(f"speaker={data.speaker_names[number]}: no recording of this speaker can be used.{refused}")
    return torch.cat(found)[:UTTERANCES]


def segments(wave: "Wave", spectrogram: "LogMel") -> "Tensor":
    """Cut a recording into adjacent utterances of the training length, (N, mels, frames), without silent ones.

    Raises:
        UserError: the whole recording is silent.
    """
    import numpy as np

    from datamodules.speech import SILENCE

    length = spectrogram.samples
    whole = np.pad(wave, (0, max(0, length - len(wave))))
    parts = whole[: len(whole) // length * length].reshape(-1, length)
    loud = parts[np.sqrt(np.mean(parts**2, axis=1)) > SILENCE][:UTTERANCES]
    if not len(loud):
        raise UserError("speaker=: this recording is silent (below -60 dB of full scale). Name another one.")
    return spectrogram(loud)


def typical(model: Any, utterances: "Tensor") -> "Tensor":
    """Return the utterance (mels, frames) whose speaker code is nearest to the mean speaker code."""
    codes = model.speaker(utterances)
    return utterances[int((codes - codes.mean(0)).square().sum(1).argmin())]


def converted(model: Any, wave: "Wave", like: "Tensor", spectrogram: "LogMel") -> "Tensor":
    """Convert a recording to the voice of `like`; return a spectrogram (mels, any) with frame t at sample t * hop.

    Windows of the training length overlap by half and are added with Hann weights. Silent frames are left unchanged,
    because training excludes silence.

    Args:
        like: (mels, frames).
    """
    import numpy as np
    import torch

    from datamodules.speech import SILENCE

    frames, hop = spectrogram.frames, spectrogram.hop
    half = spectrogram.window // 2
    steps = max(-(-len(wave) // hop), frames - 1, spectrogram.window // hop)  # frames after the first
    padded = np.pad(wave, (half, half + steps * hop - len(wave)))
    x = spectrogram(padded[None])[0]
    starts = [*range(0, steps + 1 - frames, frames // 2), steps + 1 - frames]
    windows = torch.stack([x[:, start : start + frames] for start in starts])
    y = model.convert(windows, like.expand_as(windows)).float().cpu()
    inference.check_finite(y)
    weight = torch.hann_window(frames + 2)[1:-1]  # without its two zeros
    total, weights = torch.zeros_like(x), torch.zeros(x.shape[1])
    for start, window in zip(starts, y, strict=True):
        total[:, start : start + frames] += weight * window
        weights[start : start + frames] += weight
    energy = np.concatenate([[0.0], np.cumsum(padded.astype(np.float64) ** 2)])
    of_frame = energy[spectrogram.window :: hop] - energy[: -spectrogram.window : hop]
    return torch.where(torch.from_numpy(of_frame / spectrogram.window > SILENCE**2), total / weights, x)
