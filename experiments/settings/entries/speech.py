"""Speech: data, networks, and the games on them."""

from experiments.settings.schema import Schema
from experiments.settings.spec import Bool, Choice, Float, Int, Node, Optional, Path, Spec

_SPEECH: dict[str, Spec] = {
    "batch_size": Int(min=1, help="global: of all processes together"),
    "sample_rate": Int(min=4000, help="Hz, of all files"),
    "mels": Int(min=8, help="bands of a spectrogram"),
    "frames": Int(min=4, help="of a segment, 16 ms each"),
}
_SHARE = Float(min=0, below=1, help="of each speaker's files; at least one")

_MELS = Int(min=1, help="bands of a spectrogram")
_FRAMES = Int(min=1, help="of a segment")
_WIDTH = Int(min=1, help="channels of a layer")
_CONTENT = Int(min=1, help="numbers of a content code, every four frames or of a segment")
_SPEAKER = Int(min=1, help="numbers of a speaker's code")
_DROPOUT = Float(min=0, below=1)

_GAME: dict[str, Spec] = {
    "model": Node(),
    "adversary": Node(help="of content codes"),
    "training": Node(),
    "adversary_steps": Int(min=1, help="steps of the adversary for one of encoders and decoder"),
    "margin": Float(min=0, help="that the codes of two speakers keep"),
    "pair_weight": Float(min=0, help="of the speaker codes' losses"),
    "confusion_weight": Float(min=0, help="of the adversary in what the content encoder descends"),
    "confusion_warmup": Int(min=0, help="iterations in which that rises from 0"),
}

ENTRIES: dict[str, Schema] = {
    "datamodules.Vowels": Schema(_SPEECH | {"speakers": Int(min=2, help="a man, a woman and a child in turn")}),
    "datamodules.Speech": Schema(
        _SPEECH
        | {
            "root": Path(help="the folder of the speakers' folders"),
            "validation_share": _SHARE,
            "test_share": _SHARE,
        }
    ),
    "lightning_gans.models.converting.ConvertingModel": Schema(
        {"content_encoder": Node(), "speaker_encoder": Node(), "decoder": Node()}
    ),
    "lightning_gans.networks.speech.ContentEncoder": Schema(
        {
            "mels": _MELS,
            "width": _WIDTH,
            "content_dim": _CONTENT,
            "levels": Optional(Int(min=2), help="of each number of a content code; null: real ones"),
            "pool": Bool(help="one code for the whole segment"),
            "norm": Choice(("none", "instance"), help="instance takes away what is the same all along a segment"),
        }
    ),
    "lightning_gans.networks.speech.SpeakerEncoder": Schema({"mels": _MELS, "width": _WIDTH, "speaker_dim": _SPEAKER}),
    "lightning_gans.networks.speech.SpeechDecoder": Schema(
        {"mels": _MELS, "width": _WIDTH, "content_dim": _CONTENT, "speaker_dim": _SPEAKER, "frames": Optional(_FRAMES)}
    ),
    "lightning_gans.networks.speech.SpeakerClassifier": Schema(
        {
            "content_dim": _CONTENT,
            "frames": _FRAMES,
            "speakers": Int(min=1, help="of the data"),
            "width": _WIDTH,
            "dropout": _DROPOUT,
            "pool": Bool(help="as the content encoder's"),
        }
    ),
    "lightning_gans.networks.speech.PairDiscriminator": Schema(
        {
            "content_dim": _CONTENT,
            "frames": _FRAMES,
            "width": _WIDTH,
            "dropout": _DROPOUT,
            "pool": Bool(help="as the content encoder's"),
        }
    ),
    "lightning_gans.variants.disentangle.Disentangle": Schema(_GAME),
    "lightning_gans.variants.disentangle.DisentanglePairs": Schema(_GAME),
}
