import pytest
import torch
from torch import nn

from datamodules import Digits, DigitsSemi, EmbeddedDomains, Ring
from lightning_gans.evaluation.classification import Classification
from lightning_gans.evaluation.context import Context
from lightning_gans.evaluation.measures import measures
from lightning_gans.evaluation.scoring import OWN


class Always(nn.Module):
    """Sure of one class."""

    classes = 10

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def classify(self, x):
        return torch.eye(10)[self.answer].expand(len(x), -1)


def test_accuracy_is_the_share_of_right_answers_on_the_split():
    data = Digits(image_size=8)
    for split in ("validation", "test"):
        labels = data.split(split).labels
        for answer in (0, 7):
            share = (labels == answer).float().mean().item()
            error = (share * (1 - share) / len(labels)) ** 0.5
            found = Classification()(Always(answer), data, split)
            assert found == {"accuracy": pytest.approx(share), "accuracy_se": pytest.approx(error)}
    assert any(isinstance(found, Classification) for found in measures())


def test_what_does_not_classify_or_has_no_labels_is_not_measured():
    assert Classification()(nn.Identity(), Digits(image_size=8), "test") == {}
    unlabelled = Ring(batch_size=8, dimension=2)
    unlabelled.sources["test"].labels = None
    assert Classification()(Always(0), unlabelled, "test") == {}


def test_of_data_with_few_labels_the_whole_split_is_measured():
    semi = DigitsSemi(image_size=8)
    assert Classification()(Always(7), semi, "test") == Classification()(Always(7), Digits(image_size=8), "test")


def test_of_two_domains_each_has_an_accuracy_of_its_own():
    domains = EmbeddedDomains(source="digits", target="digits_shifted", image_size=8, batch_size=8)
    assert Classification()(Always(7), domains, "test") == {}


def test_it_says_how_many_labels_choose_the_best_checkpoint():
    """The 180 labels of validation: more than the 50 that training reads."""
    for model, data, expected in (
        (Always(7), DigitsSemi(image_size=8), {"labels": 180}),
        (nn.Identity(), Digits(image_size=8), {}),
        (Always(7), EmbeddedDomains(image_size=8, batch_size=8), {}),
    ):
        asked = Classification()
        asked.prepare(model, data, Context(OWN, torch.device("cpu")))
        assert asked.facts() == expected
