import keras
import numpy as np
import pytest
import tensorflow as tf
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from tests import members
from tests.models import linear_gaussian, small_images, small_vae
from tfvae import distributions, evaluation, figures, networks, objectives, posteriors, preprocessing, priors
from tfvae.likelihoods import Bernoulli

K = members.CONDITION


def pixels(figure):
    figure.set_dpi(50)  # faster
    FigureCanvasAgg(figure).draw()
    return np.asarray(figure.canvas.buffer_rgba())


def assert_labelled(figure):
    """It shows something; it has a title; each of its axes says what it is."""
    assert pixels(figure)[..., :3].std() > 5
    assert figure.get_suptitle() or figure.axes[0].get_title() or figure.axes[0].get_title("left")
    shared = any(axes.get_xlabel() for axes in figure.axes)  # by panels above each other, or two axes of one panel
    for axes in figure.axes:
        assert axes.get_xlabel() or shared
        image = axes.images and not axes.get_yticks().size  # of draws in no order
        assert axes.get_ylabel() or image or any(tick.get_text() for tick in axes.get_yticklabels())


def conditional(**parts):
    return small_vae(
        encoder=members.ENCODERS["mlp"](condition_size=K),
        decoder=members.DECODERS["mlp"](condition_size=K),
        condition_size=K,
        **parts,
    )


def of_kind(kind, key):
    made = members.PARTNERS.get(f"{kind}-{key}", {})
    own = {kind: {"posterior": members.POSTERIORS, "prior": members.PRIORS}[kind][key]}
    return small_vae(**{name: make() for name, make in (made | own).items()})


def coloured():
    image = (8, 8, 3)
    return small_vae(encoder=networks.mlp(image, [8]), likelihood=Bernoulli(image))


VAES = {
    "plain": small_vae,
    "coloured": coloured,
    "autoencoder": lambda: of_kind("posterior", "Deterministic"),
    "sphere": lambda: of_kind("posterior", "PowerSpherical"),
    "two layers": lambda: of_kind("posterior", "Hierarchical"),
    "flow": lambda: of_kind("posterior", "PlanarFlow"),
    "vampprior": lambda: of_kind("prior", "VampPrior"),
    "conditional": conditional,
    "conditional prior": lambda: of_kind("prior", "ConditionalNormal"),
}


def data_for(vae, count=12):
    x = np.repeat(small_images(count), vae.likelihood.event_shape[-1], axis=-1)
    return (tf.constant(x), tf.range(count) % K) if vae.condition_size else tf.constant(x)


def part(data, rows):
    return tf.nest.map_structure(lambda t: t[rows], data)


QUICK = ("plain", "coloured", "conditional prior")  # the rest draw as these do


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in VAES])
def test_each_figure_of_each_kind_is_drawn_and_labelled(name):
    vae = VAES[name]()
    data = data_for(vae)
    units = evaluation.latent_units(vae, data)
    condition = np.eye(K, dtype=np.float32) if vae.condition_size else None
    for figure in (
        figures.reconstructions(vae, data),
        figures.samples(vae, 3, 4, condition),
        figures.interpolations(vae, part(data, slice(3)), part(data, slice(3, 6)), steps=5),
        figures.traversals(vae, part(data, slice(1)), units, steps=5),
        figures.latent_space(units, np.arange(12) % 10),
        figures.unit_costs(units),
        figures.progress(vae, part(data, slice(4)), np.zeros(2, np.int32), "Epoch 1"),
    ):
        assert_labelled(figure)
    with pytest.raises(figures.NotApplicable, match="the latent size is 3"):
        figures.manifold(vae, units)


def of_two(posterior=posteriors.DiagonalNormal, prior=priors.StandardNormal, **parts):
    return small_vae(posterior=posterior(2), prior=prior(2), **{"decoder": networks.mlp(2, [8])} | parts)


def in_a_plane():
    decoder = networks.mlp(2, [8], condition_size=K)
    encoder = members.ENCODERS["mlp"](condition_size=K)
    return {
        "normal": of_two,
        "mixture": lambda: of_two(prior=priors.MixtureOfNormals),
        "circle": lambda: of_two(posteriors.PowerSpherical, priors.SphericalUniform),
        "autoencoder": lambda: of_two(posteriors.Deterministic, objective=objectives.Reconstruction()),
        "conditional": lambda: of_two(encoder=encoder, decoder=decoder, condition_size=K),
    }


@pytest.mark.parametrize("name", in_a_plane())
def test_two_units_make_a_plane(name):
    vae = in_a_plane()[name]()
    data = data_for(vae)
    condition = vae.split(data)[1]
    figure = figures.manifold(
        vae, evaluation.latent_units(vae, data), None if condition is None else condition[:1], steps=4
    )
    assert_labelled(figure)
    assert_labelled(figures.latent_space(evaluation.latent_units(vae, data), np.arange(12) % 3))


def test_the_plane_shows_the_priors_quantiles():
    vae = of_two()
    figure = figures.manifold(vae, evaluation.latent_units(vae, small_images()), steps=3)
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["-2.0", "0.0", "2.0"]
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["2.0", "0.0", "-2.0"]
    sheet = np.asarray(figure.axes[0].images[0].get_array())
    upper_left = vae.decode(tf.constant([[-1.959964, 1.959964]])).mean()[0, :, :, 0]
    np.testing.assert_allclose(sheet[1:9, 1:9], upper_left, atol=1e-5)


def test_reconstructions_stand_below_their_originals():
    vae, images = small_vae(preprocessor=preprocessing.Rescale()), small_images(3)
    sheet = figures.reconstructions(vae, images).axes[0].images[0].get_array()
    np.testing.assert_allclose(sheet[1:9, 10:18], images[1, :, :, 0] / 255, atol=1e-6)
    np.testing.assert_allclose(sheet[10:18, 10:18], vae(images)[1, :, :, 0], atol=1e-6)


def test_vectors_have_no_images_but_the_rest():
    vae, x, _ = linear_gaussian()
    units = evaluation.latent_units(vae, x)
    for draw in (
        lambda: figures.reconstructions(vae, x),
        lambda: figures.samples(vae),
        lambda: figures.interpolations(vae, x[:3], x[3:6]),
        lambda: figures.traversals(vae, x[:1], units),
        lambda: figures.manifold(vae, units),
    ):
        with pytest.raises(figures.NotApplicable, match=r"x has shape \(4,\), which is no image"):
            draw()
    assert_labelled(figures.unit_costs(units))
    assert_labelled(figures.latent_space(units, np.arange(30) % 2))


def test_units_know_their_kl_and_stand_in_its_order():
    vae, x, _ = linear_gaussian()
    units = evaluation.latent_units(vae, x)
    posterior = vae.encode(x)
    m, s = posterior.mean().numpy(), posterior.stddev().numpy()
    np.testing.assert_allclose(units.kl, np.mean(0.5 * (m**2 + s**2 - 1) - np.log(s), axis=0), rtol=1e-4)
    np.testing.assert_allclose(units.variance, m.var(axis=0), rtol=1e-4)
    assert list(units.order) == [0, 1] and units.active.all()  # the first has the longer loading
    centers = np.random.default_rng(0).normal(size=(50, 4)) * [1, 0, 1, 1]
    mixed = evaluation.Units(centers, np.array([0.5, 0.0, 2.0, 1.0]))
    assert list(mixed.order) == [2, 3, 0, 1]
    bars = figures.unit_costs(mixed).axes[0].patches
    assert [bar.get_height() for bar in bars] == [2.0, 1.0, 0.5, 0.0]
    assert bars[0].get_facecolor() != bars[-1].get_facecolor()  # active, and not


def test_a_traversals_middle_is_the_example_and_its_rows_go_by_kl():
    vae, images = small_vae(), small_images()
    units = evaluation.latent_units(vae, images)
    axes = figures.traversals(vae, images[:1], units, steps=5).axes[0]
    names = [int(tick.get_text().split(" ")[0]) for tick in axes.get_yticklabels()]
    assert names == list(units.order)
    sheet = np.asarray(axes.images[0].get_array())
    for row in range(3):
        middle = sheet[1 + 9 * row : 9 + 9 * row, 19:27]
        np.testing.assert_allclose(middle, vae(images[:1])[0, :, :, 0], atol=1e-5)


def test_an_arc_keeps_the_length_and_ends_where_it_should():
    start, end = tf.constant([[[3.0, 0.0]]]), tf.constant([[[0.0, 3.0]]])
    way = distributions.arc(start, end, tf.linspace(0.0, 1.0, 5)[:, None]).numpy()[0]
    np.testing.assert_allclose(np.linalg.norm(way, axis=-1), 3.0, rtol=1e-5)
    np.testing.assert_allclose(way[[0, 2, 4]], [[3, 0], [4.5**0.5, 4.5**0.5], [0, 3]], atol=1e-5)
    for other in (2.0 * start, -start, 0.0 * start):  # no arc, but a line
        middle = distributions.arc(start, other, tf.constant([[0.5]])).numpy()[0]
        np.testing.assert_allclose(middle, (start + other)[0] / 2, atol=1e-5)


def test_too_many_classes_are_refused():
    units = evaluation.Units(np.zeros((30, 2)), None)
    with pytest.raises(figures.NotApplicable, match="30 classes"):
        figures.latent_space(units, np.arange(30))


def test_classes_have_their_names():
    vae = small_vae()
    figure = figures.latent_space(evaluation.latent_units(vae, data_for(vae)), np.arange(12) % 2, ("circle", "square"))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["circle", "square"]


def test_one_unit_has_a_latent_space_too():
    units = evaluation.Units(np.random.default_rng(0).normal(size=(30, 1)), None)
    assert_labelled(figures.latent_space(units, np.arange(30) % 3))


def logged(epochs, **more):
    curve = -100 - 50 / np.arange(1.0, epochs + 1)
    names = ("loss", "elbo", "reconstruction", "kl")
    return {"epoch": np.arange(epochs), **{n: curve for n in names}, **{f"val_{n}": curve - 1 for n in names}} | more


@pytest.mark.parametrize(
    ("objective", "label"),
    [
        (objectives.ELBO(), None),
        (objectives.ELBO(warmup_steps=100), "beta, weight of the KL"),
        (objectives.ELBO(warmup_steps=50, cycle_steps=100), "beta, weight of the KL"),
        (objectives.Capacity(steps=100), "capacity C, nats"),
    ],
)
def test_learning_curves(objective, label):
    figure = figures.learning_curves(logged(30), objective, 10, best_epoch=12)
    assert_labelled(figure)
    assert [axes.get_ylabel() for axes in figure.axes[4:]] == ([label] if label else [])


def test_learning_curves_leave_out_what_is_not_finite():
    infinite = np.full(5, np.inf)
    without = {name: np.full(5, np.nan) for name in ("val_loss", "val_elbo", "val_reconstruction", "val_kl")}
    figure = figures.learning_curves(logged(5, kl=infinite, elbo=-infinite, gradient_norm=np.ones(5)) | without)
    assert_labelled(figure)
    titles = [axes.get_title().split(" ")[0] for axes in figure.axes]
    assert titles == ["Loss,", "Reconstruction", "Norm"]
    with pytest.raises(figures.NotApplicable, match="no epoch logged"):
        figures.learning_curves({"epoch": np.arange(3)})


def test_history_reads_what_keras_logs(tmp_path):
    path = tmp_path / "history.csv"
    vae = small_vae()
    logger = keras.callbacks.CSVLogger(path)
    vae.fit(small_images(), epochs=2, callbacks=[logger], verbose=0)
    found = figures.history(path)
    np.testing.assert_allclose(found["elbo"], vae.history.history["elbo"], rtol=1e-6)
    assert np.isnan(found["val_elbo"]).all()  # NA, as there was no validation


def test_pictures_become_a_gif(tmp_path):
    paths = []
    for epoch, size in ((1, (20, 10)), (2, (20, 10)), (3, (30, 10))):
        paths.append(tmp_path / f"epoch_{epoch:04d}.png")
        Image.new("RGB", size, (80 * epoch, 0, 0)).save(paths[-1])
    with Image.open(figures.animation(paths, tmp_path / "new" / "training.gif")) as gif:
        assert gif.n_frames == 3 and gif.size == (20, 10) and gif.info["loop"] == 0
    with pytest.raises(figures.NotApplicable, match="2 pictures of the training or more, and 1 were kept"):
        figures.animation(paths[:1], tmp_path / "other.gif")
    assert not list(tmp_path.rglob(".partial*"))


def test_rate_distortion_begins_at_the_prior():
    curve = evaluation.rate_distortion(small_vae(), small_images())
    figure = figures.rate_distortion(curve)
    assert_labelled(figure)
    points = figure.axes[0].lines[0].get_xydata()
    np.testing.assert_allclose(points, np.stack([curve.rates, curve.distortions], axis=1))
    assert points[0, 0] == pytest.approx(0.0, abs=1e-6)
