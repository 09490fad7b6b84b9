import inspect

import keras
import numpy as np
import pytest

from tests import members
from tfvae import networks

NETWORKS = {
    f"{kind}-{name}": make for kind in ("ENCODERS", "DECODERS") for name, make in getattr(members, kind).items()
}


def noise(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("kind", [networks.conv, networks.resnet])
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 24, 3), (4, 4, 2)])
@pytest.mark.parametrize("latent", [1, 7])
def test_networks_of_images_mirror(kind, shape, latent):
    assert kind(shape, [3, 5]).output_shape == (None, shape[0] // 4 * shape[1] // 4 * 5)
    assert kind(latent, [3, 5], output_shape=shape).output_shape == (None, *shape[:2], 3)


@pytest.mark.parametrize("kind", [networks.mlp, networks.gated_mlp])
def test_dense_networks_take_images_vectors_and_one_latent(kind):
    for shape in ((28, 28, 1), (5,), 1):
        assert kind(shape, [8, 4]).output_shape == (None, 4)


def test_a_gated_layer_is_a_product():
    network = networks.gated_mlp(5, [4], "tanh")
    w, b, v, c = [a + 0.1 for a in network.get_weights()]
    network.set_weights([w, b, v, c])
    x = noise(3, 5)
    np.testing.assert_allclose(network(x), np.tanh(x @ w + b) / (1 + np.exp(-(x @ v + c))), rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"output_shape": (8, 8, 2)}], ids=["encoder", "decoder"])
def test_residual_blocks_start_as_the_identity(options):
    shape = 3 if options else (8, 8, 2)
    plain = networks.conv(shape, [4, 6], activation="swish", **options)
    residual = networks.resnet(shape, [4, 6], blocks=2, **options)
    blocks = [layer for layer in residual.layers if type(layer) is keras.layers.Conv2D and layer.strides == (1, 1)]
    assert len(blocks) == 8 and not any(np.any(last.kernel) for last in blocks[1::2])
    plain.set_weights([w for layer in residual.layers if layer not in blocks for w in layer.get_weights()])
    x = noise(2, *plain.input_shape[1:])
    np.testing.assert_allclose(residual(x), plain(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_condition_is_a_second_input(name):
    network, given = NETWORKS[name](), NETWORKS[name](condition_size=5)
    shape = network.input_shape
    assert isinstance(shape, tuple) and given.input_shape == [shape, (None, 5)]
    assert given.output_shape == network.output_shape
    x, condition = noise(4, *shape[1:]), np.eye(5, dtype=np.float32)[:4]
    plain, turned = given([x, condition]), given([x, condition[::-1]])
    difference = np.abs(plain - turned).reshape(4, -1).max(axis=1)
    assert difference.min() > 1e-6  # of every example
    np.testing.assert_allclose(given([x[::-1], condition[::-1]]), plain[::-1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [0, 3])
def test_networks_are_saved_and_loaded(name, size, tmp_path):
    network = NETWORKS[name](condition_size=size)
    network.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    inputs = [noise(2, *(n or 2 for n in tensor.shape[1:])) for tensor in network.inputs]
    inputs = inputs if size else inputs[0]
    assert again.input_shape == network.input_shape
    assert [w.path for w in again.weights] == [w.path for w in network.weights]
    np.testing.assert_array_equal(again(inputs), network(inputs))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: networks.conv((30, 28, 1), [8, 8]), "height and width that 4 divides, not 30 x 28"),
        (lambda: networks.resnet((28, 30, 1), [8, 8]), "height and width that 4 divides, not 28 x 30"),
        (lambda: networks.conv(10), "conv works on images"),
        (lambda: networks.resnet(10), "resnet works on images"),
        (lambda: networks.resnet(10, output_shape=(8, 8)), "resnet works on images"),
        (lambda: networks.resnet((8, 8, 1), blocks=0), "blocks must be 1 or more"),
        (lambda: networks.conv((8, 8, 1), []), "positive integers"),
        (lambda: networks.mlp(0), "positive integers"),
        (lambda: networks.mlp(4, [8, -1]), "positive integers"),
        (lambda: networks.gated_mlp(4, [8, 0]), "positive integers"),
        (lambda: networks.mlp(4, condition_size=-1), "positive integers"),
    ],
)
def test_impossible_shapes(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_networks_share_the_names_of_their_arguments():
    takes = {name: set(inspect.signature(getattr(networks, name)).parameters) for name in networks.__all__}
    assert all({"input_shape", "units", "activation", "condition_size"} <= names for names in takes.values())
    assert takes["resnet"] - {"blocks"} == takes["conv"] - {"strides"}
