import hashlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

import tfvae
from tfvae import data, evaluation, likelihoods, networks, posteriors, priors, shapes
from tfvae.shapes import builder, drawing

MIDDLE = {"shape": 2, "scale": 3, "rotation": 7, "x": 16, "y": 16}  # its centre between pixels 31 and 32
EVERY = pytest.mark.parametrize("shape", range(3))


def series(factor, **others):
    """Images in which one factor takes all its values: whether white, bool [N, 64, 64]."""
    values = range(shapes.FACTORS[factor])
    rows = [[{**MIDDLE, **others, factor: value}[name] for name in shapes.FACTORS] for value in values]
    return shapes.draw(rows)[..., 0] == 255


def centroid(white):
    """[N, 64, 64] -> x and y, pixels, [N] each."""
    area = white.sum(axis=(1, 2))
    return (white.sum(axis=1) @ np.arange(64)) / area, (white.sum(axis=2) @ np.arange(64)) / area


def test_images_are_always_the_same():
    cells = np.linspace(0, builder.CELLS - 1, 1000).astype(int)
    images = shapes.draw(shapes.factors_at(cells))
    assert images.shape == (1000, 64, 64, 1) and images.dtype == np.uint8 and set(np.unique(images)) == {0, 255}
    assert (
        hashlib.sha256(images.tobytes()).hexdigest()
        == "c0a793a87318520a596a4fbe813199e2bc7a641e4119fabe37f2c1ca762e238d"
    )
    assert (
        hashlib.sha256(builder.order().astype("<i8").tobytes()).hexdigest()
        == "ad4ba902c263e2112e3c7a7df46e5c48a70e54ca6da5ac2d9305e51d99c3d518"
    )


def test_no_pixel_hangs_on_rounding():
    assert np.abs(drawing.level() - 1).min() > 1e-8


@EVERY
def test_x_moves_right_and_y_down_by_a_pixel(shape):
    for factor, along, across in (("x", 0, 1), ("y", 1, 0)):
        white = series(factor, shape=shape, scale=5)
        moved = centroid(white)
        np.testing.assert_allclose(np.diff(moved[along]), 1.0, atol=1e-9)
        np.testing.assert_allclose(np.diff(moved[across]), 0.0, atol=1e-9)
        assert len(set(white.sum(axis=(1, 2)))) == 1  # nothing is cut off at the borders
    x, y = centroid(series("rotation", shape=shape))
    np.testing.assert_allclose([x, y], 31.5, atol=0.25)  # the middle, however turned


@EVERY
def test_scale_sets_the_area(shape):
    area = series("scale", shape=shape).sum(axis=(1, 2))
    np.testing.assert_allclose(area, 424 * np.linspace(0.5, 1.0, 6) ** 2, rtol=0.06)
    assert np.all(np.diff(area) > 0)


@EVERY
def test_rotation_keeps_the_area(shape):
    for scale, size in enumerate(np.linspace(0.5, 1.0, 6)):
        area = series("rotation", shape=shape, scale=scale).sum(axis=(1, 2))
        np.testing.assert_allclose(area, 424 * size**2, rtol=0.06)
        assert area.std() < 0.04 * area.mean()


def test_rotation_runs_against_the_clock_and_around():
    heart = series("rotation", scale=5)
    np.testing.assert_array_equal(heart[0], heart[0][:, ::-1])  # upright
    np.testing.assert_array_equal(heart[10], np.rot90(heart[0]))
    for shape, distinct in enumerate((10, 20, 40)):
        assert len(np.unique(series("rotation", shape=shape), axis=0)) == distinct


def test_the_tip_of_the_heart_points_down():
    width = series("rotation", scale=5)[0].sum(axis=1)
    rows = np.flatnonzero(width)
    assert width[rows[-1]] < width[rows[0]] and width[rows[-5]] < width[rows[4]]


def test_splits_are_disjoint_and_cover_the_grid():
    assert np.array_equal(np.sort(builder.order()), np.arange(builder.CELLS))
    train, test = builder.SPLITS["train"], builder.SPLITS["test"]
    assert (train.start, train.stop, test.start, test.stop) == (0, 663_552, 663_552, 737_280)


def test_the_first_of_a_split_are_a_fair_sample():
    for start in (0, builder.TRAIN):
        factors = shapes.factors_at(builder.order()[start : start + 10_000])
        for column, size in zip(factors.T, shapes.FACTORS.values(), strict=True):
            expected = 10_000 / size
            assert np.abs(np.bincount(column, minlength=size) - expected).max() < 4.5 * np.sqrt(expected)
        assert np.abs(np.corrcoef(factors.T) - np.eye(5)).max() < 0.05


@pytest.mark.parametrize("in_memory", [True, False])
def test_data_loads_with_factors_and_labels(in_memory):
    loaded = data.load(
        "shapes", "train[:300]+test[5:20]", 50, shuffle=False, in_memory=in_memory, condition=["factors", "label"]
    )
    pairs = list(loaded.unbatch().as_numpy_iterator())
    places = [*range(300), *range(builder.TRAIN + 5, builder.TRAIN + 20)]
    factors = shapes.factors_at(builder.order()[places])
    np.testing.assert_array_equal([image for image, _ in pairs], shapes.draw(factors))
    np.testing.assert_array_equal([c for _, c in pairs], np.column_stack([factors, np.eye(3)[factors[:, 0]]]))


def test_streams_are_shuffled_by_seed_and_hold_each_example_once():
    options = {"in_memory": False, "condition": "factors", "batch_size": 64}

    def factors(seed):
        return np.concatenate([c.numpy() for _, c in data.load("shapes", "train[:500]", seed=seed, **options)])

    one, again, other = factors(1), factors(1), factors(2)
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    assert sorted(map(tuple, one)) == sorted(map(tuple, shapes.factors_at(builder.order()[:500])))


def test_tfds_writes_a_description_and_no_examples(tmp_path, capfd):
    data.load("shapes", "test[:10]", data_dir=str(tmp_path))
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 50_000
    assert "ownload" not in capfd.readouterr().out
    made = tfds.builder("shapes", data_dir=str(tmp_path))
    assert made.info.splits["test[:50%]"].num_examples == 36_864
    image, label = next(iter(made.as_dataset(split="train", as_supervised=True)))
    assert image.shape == (64, 64, 1) and made.info.features["label"].int2str(int(label)) in drawing.SHAPES


def test_factors_out_of_range():
    with pytest.raises(ValueError, match=r"factors must be \[N, 5\], shape, scale, rotation, x, y; they are \(5,\)"):
        shapes.draw([0, 0, 0, 0, 0])
    for bad in ([3, 0, 0, 0, 0], [0, 0, 0, 0, -1]):
        with pytest.raises(ValueError, match="integers from 0 and below"):
            shapes.draw([bad])


def test_a_vae_trains_on_shapes_and_its_codes_are_scored():
    image = (64, 64, 1)
    vae = tfvae.VAE(
        encoder=networks.mlp(image, [8], "tanh"),
        posterior=posteriors.DiagonalNormal(3),
        prior=priors.StandardNormal(3),
        decoder=networks.mlp(3, [8], "tanh"),
        likelihood=likelihoods.Bernoulli(image),
        preprocessor=tfvae.preprocessing.Binarize(),
    )
    vae.compile("adam", jit_compile=False)
    history = vae.fit(data.load("shapes", "train[:200]", 50), epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    codes, factors = evaluation.codes(vae, data.load("shapes", "test[:200]", condition="factors"))
    assert codes.shape == (200, 3) and factors.shape == (200, 5)
    assert 0 <= evaluation.mig(codes, factors) <= 1
