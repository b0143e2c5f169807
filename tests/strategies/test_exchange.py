import torch

from lightning_gans.strategies.exchange import all_agree, any_says, average, average_gradients, processes

CPU = torch.device("cpu")


def test_a_process_by_itself_agrees_with_itself():
    assert processes() == 1
    for answer in (True, False):
        assert all_agree(answer, CPU) is answer
        assert any_says(answer, CPU) is answer


def test_a_process_by_itself_keeps_its_gradients():
    gradients = [torch.arange(3.0), torch.ones(2, 2)]
    average_gradients(gradients)
    average_gradients([])
    assert [gradient.tolist() for gradient in gradients] == [[0, 1, 2], [[1, 1], [1, 1]]]
    assert average(gradients[0]) is gradients[0]
