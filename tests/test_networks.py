import pytest

from tfvae import networks


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 24, 3), (4, 4, 2)])
@pytest.mark.parametrize("latent", [1, 7])
def test_conv_mirrors(shape, latent):
    assert networks.conv(shape, [3, 5]).output_shape == (None, shape[0] // 4 * shape[1] // 4 * 5)
    assert networks.conv(latent, [3, 5], output_shape=shape).output_shape == (None, *shape[:2], 3)


def test_mlp_takes_images_vectors_and_one_latent():
    for shape in ((28, 28, 1), (5,), 1):
        assert networks.mlp(shape, [8, 4]).output_shape == (None, 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: networks.conv((30, 28, 1), [8, 8]), "height and width that 4 divides, not 30 x 28"),
        (lambda: networks.conv(10), "images"),
        (lambda: networks.mlp(0), "positive integers"),
        (lambda: networks.mlp(4, [8, -1]), "positive integers"),
    ],
)
def test_impossible_shapes(make, message):
    with pytest.raises(ValueError, match=message):
        make()
