"""`experiments.sample convert=`: a recording in another speaker's voice."""

import numpy as np
import pytest
import soundfile
import torch
import yaml

import lightning_gans
from datamodules.melspectrogram import LogMel
from experiments import sample
from experiments.trained.conversion import converted, typical
from lightning_gans.core.errors import UserError
from lightning_gans.models import build, save_generator

RATE = 8000
SHAPE = {"sample_rate": RATE, "mels": 16, "frames": 4}  # a segment is 896 samples
NETWORKS = "lightning_gans.networks.speech."
SPEC = {
    "_target_": "lightning_gans.models.converting.ConvertingModel",
    "content_encoder": {"_target_": f"{NETWORKS}ContentEncoder", "mels": 16, "width": 4, "content_dim": 4},
    "speaker_encoder": {"_target_": f"{NETWORKS}SpeakerEncoder", "mels": 16, "width": 4, "speaker_dim": 2},
    "decoder": {"_target_": f"{NETWORKS}SpeechDecoder", "mels": 16, "width": 4, "content_dim": 4, "speaker_dim": 2},
}
PITCHES = {"anna": 220.0, "bert": 110.0}


def write(path, seconds=0.5, *, rate=RATE, pitch=200.0, channels=1, level=0.3):
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = level * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)
    soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate)
    return path


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run on recordings of anna and bert, and a recording said.wav."""
    monkeypatch.chdir(tmp_path)
    for speaker, pitch in PITCHES.items():
        for number in range(3):
            write(tmp_path / "data" / speaker / f"{number}.wav", pitch=pitch + number)
    torch.manual_seed(0)
    save_generator(build(SPEC).eval(), SPEC, tmp_path / "run" / "generator", about={"iteration": 1500})
    configure(tmp_path / "run", _target_="datamodules.Speech", root=str(tmp_path / "data"), batch_size=8, **SHAPE)
    write(tmp_path / "said.wav", 0.7, pitch=150.0)
    return tmp_path / "run"


def configure(run, **data):
    (run / "config.yaml").write_text(yaml.safe_dump({"data": data, "metrics": None}))


def ask(**given):
    return sample.main([f"{key}={value}" for key, value in given.items()])


class Model:
    """Converts by a function of the first samples."""

    def __init__(self, function):
        self.function = function

    def convert(self, x, like):
        assert x.shape == like.shape
        return self.function(x)


LIKE = torch.zeros(16, 4)


@pytest.mark.parametrize("samples", [1, 700, 896, 5000, 5001])
def test_windows_that_overlap_add_up_to_the_whole(samples):
    wave = (0.3 * np.random.default_rng(0).standard_normal(samples)).clip(-1, 1).astype(np.float32)
    spectrogram = LogMel(**SHAPE)
    x = converted(Model(lambda x: x), wave, LIKE, spectrogram)
    steps = max(-(-samples // spectrogram.hop), 4)
    half = spectrogram.window // 2
    whole = spectrogram(np.pad(wave, (half, half + steps * spectrogram.hop - samples))[None])[0]
    torch.testing.assert_close(x, whole, rtol=0, atol=1e-6)
    assert len(spectrogram.waves(x[None])[0]) >= samples


def test_a_sound_stays_in_its_place():
    wave = np.zeros(8000, np.float32)
    wave[3000:4000] = 0.5 * np.sin(2 * np.pi * 440 * np.arange(1000) / RATE)
    spectrogram = LogMel(**SHAPE)
    sound = spectrogram.waves(converted(Model(lambda x: x), wave, LIKE, spectrogram)[None])[0, :8000]
    power = sound**2
    assert np.average(np.arange(8000), weights=power) == pytest.approx(3500, abs=spectrogram.hop)
    assert power[3000:4000].sum() > 0.9 * power.sum()


def test_silence_stays_silent():
    wave = np.zeros(16000, np.float32)
    wave[:4000] = 0.3 * np.sin(2 * np.pi * 440 * np.arange(4000) / RATE)
    x = converted(Model(torch.ones_like), wave, LIKE, LogMel(**SHAPE))
    assert (x[:, :30] == 1).all()  # the last sample of sound is in frame 33, centred at 4,224
    assert (x[:, 36:] == -1).all()


def test_the_most_typical_utterance_is_chosen():
    class Codes:
        def speaker(self, x):
            return x.flatten(1)

    x = torch.tensor([0.0, 10.0, 4.0, 5.0])[:, None, None]
    assert typical(Codes(), x).item() == 5.0  # the mean is 4.75


@pytest.mark.parametrize(("speaker", "name"), [("bert", "bert"), ("1", "bert"), ("voice.wav", "voice.wav")])
def test_a_recording_is_converted(run, speaker, name, tmp_path, capsys):
    write(tmp_path / "voice.wav", 0.3, pitch=110.0)
    assert ask(run="run", convert="said.wav", speaker=speaker, out="new/made.wav") == 0
    made, rate = soundfile.read("new/made.wav", dtype="float32")
    assert rate == RATE
    assert made.shape == (5600,)
    assert f"0.7 s of said.wav in the voice of {name} by run (iteration 1,500)" in capsys.readouterr().out
    spectrogram, model = LogMel(**SHAPE), lightning_gans.load_generator("run")
    wave = soundfile.read("said.wav", dtype="float32")[0]
    files = ["voice.wav"] if speaker == "voice.wav" else [f"data/bert/{number}.wav" for number in range(3)]
    parts = [soundfile.read(file, dtype="float32")[0] for file in files]
    parts = [part[: len(part) // 896 * 896].reshape(-1, 896) for part in parts]
    like = typical(model, spectrogram(np.concatenate(parts)))
    expected = spectrogram.waves(converted(model, wave, like, spectrogram)[None])[0, :5600]
    assert made == pytest.approx(expected, abs=1e-4)
    before = (tmp_path / "new" / "made.wav").read_bytes()
    assert ask(run="run", convert="said.wav", speaker=speaker, out="new/made.wav") == 0
    assert (tmp_path / "new" / "made.wav").read_bytes() == before


def test_another_rate_and_several_channels(run, tmp_path):
    write(tmp_path / "other.flac", 0.7, rate=11025, channels=2)
    assert ask(run="run", convert="other.flac", speaker="anna", out="made.wav") == 0
    assert soundfile.info("made.wav").frames == pytest.approx(0.7 * RATE, abs=1)


def test_a_speaker_of_data_that_are_synthesised(run):
    vowels = {"batch_size": 8, "speakers": 2, **SHAPE}
    configure(run, _target_="datamodules.Vowels", **vowels)
    assert ask(run="run", convert="said.wav", speaker="woman 1", out="made.wav") == 0
    with pytest.raises(UserError, match="The 2 speakers are man 1 woman 1, or 0 to 1 by number"):
        ask(run="run", convert="said.wav", speaker="child 1", out="made.wav")


def test_settings_that_are_not_told_are_the_usual_ones(run):
    configure(run, _target_="datamodules.Vowels", batch_size=8, speakers=2, mels=16, frames=4)
    assert ask(run="run", convert="said.wav", speaker="data/anna/0.wav", out="made.wav") == 0
    assert soundfile.info("made.wav").samplerate == 16000


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"speaker": None}, "needs a speaker: say speaker=NAME"),
        ({"out": None}, r"needs a place: say out=FILE\.wav"),
        ({"out": "made.mp3"}, r"say out=made\.wav"),
        ({"out": "said.wav"}, "is the recording itself"),
        ({"convert": None, "out": None}, r"speaker=bert goes with convert=FILE\.wav"),
        ({"convert": "sad.wav"}, r"Did you mean said\.wav"),
        ({"convert": "data"}, "name one sound file"),
        ({"convert": "text.wav"}, r"convert=text\.wav cannot be used"),
        ({"convert": "empty.wav"}, r"convert=empty\.wav cannot be used: it is empty"),
        ({"convert": "long.wav"}, "longer than 10 minutes; cut it in parts"),
        ({"convert": "nan.wav"}, "NaN or infinite"),
        ({"speaker": "brt"}, r"Did you mean speaker=bert\? The 2 speakers are anna bert, or 0 to 1 by number"),
        ({"speaker": "2"}, "there is no such speaker"),
        ({"speaker": "silent.wav"}, "this recording is silent"),
        ({"n": 3}, "Leave n=3 out"),
    ],
)
def test_slips_are_answered(run, tmp_path, given, said):
    (tmp_path / "text.wav").write_text("no sound")
    write(tmp_path / "empty.wav", 0)
    write(tmp_path / "silent.wav", 1, level=0)
    soundfile.write(tmp_path / "long.wav", np.zeros(601 * 10, np.float32), 10)
    soundfile.write(tmp_path / "nan.wav", np.full(9000, np.nan, np.float32), RATE, subtype="FLOAT")
    asked = {"run": "run", "convert": "said.wav", "speaker": "bert", "out": "made.wav"} | given
    with pytest.raises(UserError, match=said):
        ask(**{key: value for key, value in asked.items() if value is not None})
    assert not (tmp_path / "made.wav").exists()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"root": "gone"}, r"there is no such folder.* Or say speaker=FILE\.wav"),
        ({"sample_rate": 10**12}, r"data\.sample_rate=1000000000000, which is none of spectrograms"),
        ({"mels": "many"}, r"data\.mels=many"),
        ({"frames": True}, r"data\.frames=True"),
        ({"_target_": "os.system"}, r"trained on os\.system"),
        ({"_target_": "datamodules.Digits", "root": None}, "speaker"),
    ],
)
def test_settings_of_a_run_that_do_not_fit(run, tmp_path, data, said):
    told = {"_target_": "datamodules.Speech", "root": str(tmp_path / "data"), "batch_size": 8, **SHAPE} | data
    configure(run, **{key: value for key, value in told.items() if value is not None})
    with pytest.raises(UserError, match=said):
        ask(run="run", convert="said.wav", speaker="bert", out="made.wav")


def test_an_export_alone_and_a_model_that_does_not_convert(run, tmp_path):
    with pytest.raises(UserError, match=r"has no config\.yaml"):
        ask(run="run/generator", convert="said.wav", speaker="data/anna/0.wav", out="made.wav")
    with pytest.raises(UserError, match=r"does not convert voices\. Name a run of variant=disentangle"):
        ask(run="zoo/digits", convert="said.wav", speaker="bert", out="made.wav")
    with pytest.raises(UserError, match=r"nothing to sample: say convert=FILE\.wav speaker=NAME"):
        ask(run="run", n=4)
