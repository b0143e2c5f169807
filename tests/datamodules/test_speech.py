import numpy as np
import pytest
import soundfile
import torch

from datamodules import Speech
from datamodules.speech_files import recordings
from lightning_gans.core.errors import UserError

RATE = 8000
SHAPE = {"sample_rate": RATE, "mels": 16, "frames": 4}  # a segment is 896 samples


def write(path, seconds=0.5, *, rate=RATE, pitch=200.0, channels=1, level=0.3):
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * rate)) / rate
    wave = level * np.sin(2 * np.pi * pitch * time)
    soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate)
    return path


@pytest.fixture
def root(tmp_path):
    for speaker, pitch in (("anna", 220.0), ("bert", 110.0)):
        for number in range(5):
            write(tmp_path / speaker / "day" / f"{number}.wav", pitch=pitch + number)
    return tmp_path


def speech(root, **settings):
    data = Speech(root=str(root), batch_size=8, **SHAPE | settings)
    data.setup()
    return data


def refusal(root, **settings):
    with pytest.raises(UserError) as caught:
        speech(root, **settings)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_segments_of_files_and_their_speakers(root):
    data = speech(root)
    assert data.speaker_names == ("anna", "bert")
    assert data.classes is None
    train, validation, test = (data.split(name) for name in ("train", "validation", "test"))
    # 4,000 samples make four segments; three of five files train
    assert [len(split) for split in (train, validation, test)] == [24, 8, 8]
    assert train.speakers.tolist() == [0] * 12 + [1] * 12
    assert train.labels is None
    (batch,) = train.batches(24)
    assert batch.x.shape == (24, 16, 4)
    band = batch.x.mean(2).argmax(1)
    assert band[:12].min() > band[12:].max()  # anna's voice is higher
    first = next(iter(data.iteration_batches(0, 1)))
    assert first.label is None
    assert first.x.shape == first.partner.shape == first.other.shape == (8, 16, 4)


def test_a_file_is_in_one_split(root):
    data = speech(root)
    parts = [set(chosen) for chosen in data._split("anna", data.files["anna"]).values()]
    assert [len(part) for part in parts] == [3, 1, 1]
    assert set.union(*parts) == set(data.files["anna"])
    assert all(isinstance(split.speakers, torch.Tensor) for split in map(data.split, data.sources))


@pytest.mark.parametrize("n, shares, expected", [(3, (0.1, 0.1), [1, 1, 1]), (20, (0.2, 0.3), [10, 4, 6])])
def test_shares(tmp_path, n, shares, expected):
    for speaker in ("a", "b"):
        for number in range(n):
            write(tmp_path / speaker / f"{number:02d}.wav", 0.25)  # two segments
    data = speech(tmp_path, validation_share=shares[0], test_share=shares[1])
    assert [len(data.split(name)) for name in ("train", "validation", "test")] == [4 * k for k in expected]
    assert [len(part) for part in data._split("a", data.files["a"]).values()] == expected


def test_speakers_are_in_natural_order(tmp_path):
    for name in ("1", "2", "10", "20"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.wav").touch()
    assert list(recordings(tmp_path)) == ["1", "2", "10", "20"]


def test_other_formats_channels_and_silence(root):
    write(root / "anna" / "stereo.flac", channels=2)
    write(root / "anna" / "silent.wav", level=0.0)
    (root / "anna" / "notes.txt").write_text("no sound")
    data = speech(root)
    assert len(data.files["anna"]) == 7
    assert len(data.segments(root / "anna" / "stereo.flac")) == 4
    assert len(data.segments(root / "anna" / "silent.wav")) == 0


def test_a_fingerprint_is_of_the_content(root):
    before = Speech(root=str(root), **SHAPE).fingerprint
    assert Speech(root=str(root), **SHAPE).fingerprint == before
    write(root / "bert" / "day" / "0.wav", pitch=333)
    assert Speech(root=str(root), **SHAPE).fingerprint != before


def test_speakers_are_counted_without_reading_files(root, tmp_path):
    assert list(recordings(root)) == ["anna", "bert"]
    assert recordings(tmp_path / "nowhere") == {}


# What does not fit


def test_no_folder_or_no_speakers(tmp_path):
    assert "there is no such folder" in refusal(tmp_path / "nowhere")
    (tmp_path / "empty" / "anna").mkdir(parents=True)
    assert "it holds none" in refusal(tmp_path / "empty")
    write(tmp_path / "one" / "anna" / "1.wav")
    message = refusal(tmp_path / "one")
    assert "there is only anna" in message
    assert ".flac" in message


def test_a_file_of_another_rate_is_named_with_both(root):
    write(root / "bert" / "odd.wav", rate=22050)
    message = refusal(root, on_bad_file="error")
    assert "bert/odd.wav (it has 22050 samples a second, not data.sample_rate=8000" in message
    assert "say data.sample_rate=22050 if all" in message


def test_an_unreadable_file_is_named(root):
    (root / "anna" / "broken.wav").write_bytes(b"RIFF but no sound")
    message = refusal(root, on_bad_file="error")
    assert "1 sound file cannot be used: anna/broken.wav (Error opening" in message
    assert "data.on_bad_file=skip" in message


def test_a_file_shorter_than_a_segment_is_named(root):
    write(root / "anna" / "short.wav", 0.115)
    message = refusal(root, frames=8, on_bad_file="error")
    assert "short.wav (it is 0.12 s long" in message
    assert "data.frames=4 or fewer would fit" in message
    write(root / "anna" / "short.wav", 0.05)
    assert "would fit" not in refusal(root, on_bad_file="error")


def test_files_that_cannot_be_used_are_named_and_skipped(root):
    before = speech(root)
    write(root / "anna" / "day" / "2short.wav", 0.01)
    write(root / "bert" / "odd.wav", rate=22050)
    (root / "bert" / "broken.wav").write_bytes(b"RIFF but no sound")
    data = Speech(root=str(root), batch_size=8, **SHAPE)
    with pytest.warns(UserWarning, match=r"3 sound files cannot be used: anna/day/2short.wav .*bert/odd.wav") as caught:
        data.setup()
    assert len(caught) == 1
    assert torch.equal(data.sources["train"].x, before.sources["train"].x)  # no other file moves
    assert torch.equal(data.sources["test"].speakers, before.sources["test"].speakers)


@pytest.mark.filterwarnings("ignore:.*sound files cannot be used")
def test_too_few_files_that_can_be_used(root):
    message = refusal(root, sample_rate=16000)
    assert "none of its 10 sound files can be used; the first is anna/day/0.wav (it has 8000 samples" in message
    for number in range(3):
        (root / "bert" / "day" / f"{number}.wav").write_bytes(b"no sound")
    assert "bert: 2 of its 5 sound files can be used, and each speaker needs at least three" in refusal(root)


def test_notes_on_what_was_found(root):
    assert speech(root).notes() == ["24 training, 8 validation, 8 test segments of 10 files, 2 speakers: anna, bert"]
    write(root / "anna" / "silent.wav", level=0.0)
    notes = Speech(root=str(root), batch_size=60, **SHAPE).notes()
    assert notes[1] == "1 of 11 files are silent (below -60 dB): anna/silent.wav"
    assert notes[2].startswith("data.batch_size=60 is more than the ")


def test_too_few_files(root):
    write(root / "carl" / "1.wav")
    assert "carl holds 1 sound files" in refusal(root)


def test_a_speaker_who_is_silent(root):
    for number in range(3):
        write(root / "carl" / f"{number}.wav", level=0.0)
    message = refusal(root)
    assert "carl" in message
    assert "-60 dB" in message


def test_shares_that_leave_nothing(root):
    assert "leave nothing to train on" in refusal(root, validation_share=0.5, test_share=0.5)


def test_frames_go_by_fours(root):
    assert "Say data.frames=8 or 12." in refusal(root, frames=10)


def test_recordings_that_are_not_finite_or_too_large_are_named(root, monkeypatch):
    soundfile.write(root / "anna" / "day" / "0.wav", np.full(4000, np.nan, np.float32), RATE, subtype="FLOAT")
    assert "0.wav (it holds numbers that are NaN or infinite)" in refusal(root, on_bad_file="error")
    monkeypatch.setattr("datamodules.speech.MOST_NUMBERS", 1000)
    assert "it says that it holds more than 1,000 numbers" in refusal(root, on_bad_file="error")


def test_vctk_and_librispeech_are_read_as_they_come(tmp_path):
    vctk, libri = tmp_path / "VCTK", tmp_path / "LibriSpeech"
    for place in ("p226/p226_001_mic1.flac", "p226/p226_001_mic2.flac", "p225/p225_001_mic1.flac"):
        write(vctk / "wav48_silence_trimmed" / place)
    (vctk / "txt" / "p225").mkdir(parents=True)
    for place in ("train-clean-100/103/1240/103-1240-0000.flac", "train-clean-100/19/198/19-198-0000.flac"):
        write(libri / place)
    write(libri / "dev-clean" / "84" / "121123" / "84-121123-0000.flac")
    assert {name: len(files) for name, files in recordings(vctk).items()} == {"p225": 1, "p226": 1}
    assert list(recordings(libri)) == ["19", "84", "103"]
    assert list(recordings(libri / "train-clean-100")) == ["19", "103"]
    (vctk / "wav48_silence_trimmed").rename(vctk / "wav48")
    assert list(recordings(vctk)) == ["p225", "p226"]
