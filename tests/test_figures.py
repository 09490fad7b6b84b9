import numpy as np
import pytest

from tests.models import linear_gaussian, small_images, small_vae
from tfvae import figures, networks, preprocessing
from tfvae.likelihoods import Bernoulli


def pixels(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())


@pytest.fixture
def canvas():
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    return FigureCanvasAgg


@pytest.mark.parametrize("channels", [1, 3])
def test_each_figure_shows_something(canvas, channels):
    image = (8, 8, channels)
    vae = small_vae(
        encoder=networks.mlp(image, [8]), likelihood=Bernoulli(image), preprocessor=preprocessing.Binarize()
    )
    images = np.repeat(small_images(12), channels, axis=-1)
    for figure in (
        figures.reconstructions(vae, images),
        figures.samples(vae, 3, 4),
        figures.interpolations(vae, images[:3], images[3:6], steps=5),
    ):
        canvas(figure)
        assert pixels(figure)[..., :3].std() > 10


def test_reconstructions_stand_below_their_originals():
    vae, images = small_vae(preprocessor=preprocessing.Rescale()), small_images(3)
    sheet = figures.reconstructions(vae, images).axes[0].images[0].get_array()
    np.testing.assert_allclose(sheet[1:9, 10:18], images[1, :, :, 0] / 255, atol=1e-6)
    np.testing.assert_allclose(sheet[10:18, 10:18], vae(images)[1, :, :, 0], atol=1e-6)


def test_vectors_are_drawn_as_strips(canvas):
    vae, x, _ = linear_gaussian()
    figure = figures.reconstructions(vae, x[:5])
    canvas(figure)
    assert pixels(figure).std() > 0
