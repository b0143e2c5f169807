import torch

from lightning_gans.networks.retrieval import FeatureScorer, MatrixFactorisation


def test_matrix_factorisation_is_an_inner_product_and_a_bias():
    network = MatrixFactorisation(queries=4, documents=6, dim=3, initial=0.05)
    for factors, count in ((network.query.weight, 4), (network.document.weight, 6)):
        assert factors.shape == (count, 3)
        assert 0.03 < factors.abs().max() <= 0.05
    assert network.document.bias.tolist() == [0] * 6
    with torch.no_grad():
        network.document.bias[5] = 2.0
    found = network(torch.tensor([3, 1]))
    expected = (network.query.weight[3] * network.document.weight[5]).sum() + 2
    assert found.shape == (2, 6)
    assert torch.isclose(found[0, 5], expected)
    assert sum(p.numel() for p in MatrixFactorisation(queries=943, documents=1683).parameters()) == 943 * 5 + 1683 * 6


def test_the_scorer_of_features_is_a_layer_of_tanh():
    network = FeatureScorer()
    assert sum(p.numel() for p in network.parameters()) == 46 * 46 + 46 + 46 + 1
    x = torch.randn(2, 5, 46)
    found = network(x)
    assert found.shape == (2, 5)
    hidden = torch.tanh(x[1, 4] @ network.hidden.weight.T + network.hidden.bias)
    assert torch.isclose(found[1, 4], hidden @ network.output.weight[0] + network.output.bias[0], atol=1e-6)
    assert all(w.abs().max() <= 0.2 for w in (network.hidden.weight, network.output.weight))
