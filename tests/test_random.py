import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tfvae import random


def a_seed(step=0, row=0, run=0, stream=random.Stream.TRAINING):
    return random.seed(run, stream, step, row)


@pytest.mark.parametrize(
    ("words", "expected"),  # known answers of the authors' own implementation, Random123
    [
        ((0, 0, 0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF,) * 4, (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344, 0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_the_known_answers(words, expected):
    assert tuple(int(w) for w in random._twenty_rounds(*map(random._u32, words))) == expected


def test_the_noise_of_a_run_is_that_of_every_version():
    """A run that goes on, and a model that is served, draw what they drew: words that an implementation of the same
    functions in Python's integers gives."""
    seed = random.seed(3, random.Stream.TRAINING, 7, 50)
    folded = random.fold(seed, 2)
    words = [[[0xA23C8432, 0x1C1CBD7B, 0xAFBBB090], [0xCD50A1DD, 0xA0D99A56, 0x3218BC31]]]
    words += [[[0xEC41C66E, 0xAF5C31CA, 0xA6EC5FA7], [0xF6BBDA2C, 0xE5FCE310, 0x9E9FD2E8]]]
    np.testing.assert_array_equal(seed.numpy().view(np.uint32), [0x41691C60, 0x4B67AD1F])
    np.testing.assert_array_equal(folded.numpy().view(np.uint32), [0x50ECBC2D, 0xEA9BDE7B])
    np.testing.assert_array_equal(random.bits([2, 2, 3], folded), words)


def test_a_seed_holds_its_row():
    opened = [random._open(a_seed(5, row)) for row in (0, 7, 123_456)]
    assert [int(row) for _, row in opened] == [0, 7, 123_456]
    assert len({int(key) for key, _ in opened}) == 1


def test_no_two_steps_share_a_key():
    start, salt = random._twenty_rounds(*map(random._u32, (3, 1, 0, 0)))
    keys = random._mix(tf.cast(tf.range(2**20), tf.uint32) + start) ^ salt
    assert len(np.unique(keys.numpy())) == 2**20
    assert int(keys[77]) == int(random._open(random.seed(3, random.Stream.TRAINING, 77))[0])


@pytest.mark.parametrize("shape", [(6, 5), (3, 6, 5), (2, 3, 6, 4)])
def test_rows_are_drawn_alike_wherever_the_batch_is_cut(shape):
    whole = random.normal(shape, a_seed(2)).numpy()
    tail = random.normal((*shape[:-2], 2, shape[-1]), a_seed(2, row=4)).numpy()
    np.testing.assert_array_equal(whole[..., 4:, :], tail)


def test_xla_and_graphs_draw_the_same_bits():
    def draw(seed):
        return random.bits([3, 50, 7], seed)

    eager = draw(a_seed(1)).numpy()
    np.testing.assert_array_equal(eager, tf.function(draw)(a_seed(1)))
    np.testing.assert_array_equal(eager, tf.function(draw, jit_compile=True)(a_seed(1)))


def test_seeds_differ_by_run_stream_step_and_fold():
    seeds = [a_seed(), a_seed(1), a_seed(run=1), a_seed(stream=random.Stream.DATA), random.fold(a_seed(), 0)]
    seeds += [random.fold(a_seed(), 1), random.fold(a_seed(1), 0)]
    drawn = [random.uniform([1, 1000], seed).numpy().ravel() for seed in seeds]
    correlation = np.corrcoef(drawn) - np.eye(len(seeds))
    assert np.abs(correlation).max() < 5 / np.sqrt(1000)


def test_a_users_seeds_do_not_overlap():
    drawn = [random.bits([50, 4], tf.constant([0, i])).numpy().ravel() for i in range(20)]
    assert len(np.unique(drawn)) > 20 * 200 - 5  # of 4000 words, chance alone repeats about 0.002


def test_first_step_and_row_are_the_default():
    np.testing.assert_array_equal(random.seed(3, random.Stream.DATA), random.seed(3, random.Stream.DATA, 0, 0))


def test_streams_are_apart():
    """By number too: a file of a run that was made with other numbers would be read with other noise."""
    assert [int(stream) for stream in random.Stream] == [1, 2, 3, 4]


def test_numbers_are_those_of_the_bits_by_hand():
    """Of the same words: the upper 23 bits as a uniform, its quantile as a normal, each byte against its threshold."""
    words = random.bits([20, 3], a_seed()).numpy()
    uniform = (words >> 9) / 2.0**23
    np.testing.assert_array_equal(random.uniform([20, 3], a_seed()), uniform.astype(np.float32))
    quantile = scipy.stats.norm.ppf(uniform + 2.0**-24)
    np.testing.assert_allclose(random.normal([20, 3], a_seed()), quantile, atol=2e-5)
    bytes_ = np.concatenate([words >> shift & 255 for shift in (0, 8, 16, 24)], axis=1)[:, :10].astype(np.int32)
    assert not np.any(random.bytes_below(tf.constant(bytes_), a_seed()))
    assert np.all(random.bytes_below(tf.constant(bytes_ + 1), a_seed()))


def test_normals_of_the_ends_are_finite_and_symmetric(monkeypatch):
    monkeypatch.setattr(random, "uniform", lambda shape, seed: tf.constant([[0.0, 1 - 2.0**-23]]))
    low, high = random.normal([1, 2], a_seed()).numpy()[0]
    assert low == -high and 5.2 < high < 5.4


def test_uniforms_are_uniform():
    sample = random.uniform([1000, 1000], a_seed()).numpy().ravel()
    assert 0 <= sample.min() and sample.max() < 1
    assert scipy.stats.kstest(sample, "uniform").pvalue > 1e-3


def test_normals_are_normal():
    sample = random.normal([1000, 1000], a_seed()).numpy().ravel()
    assert np.isfinite(sample).all()
    assert scipy.stats.kstest(sample, "norm").pvalue > 1e-3


def test_neighbours_are_independent():
    steps = np.stack([random.uniform([64, 64], a_seed(step)).numpy() for step in range(64)])  # [step, row, column]
    limit = 5 / np.sqrt(steps.size)
    for axis in range(3):
        here, there = np.delete(steps, -1, axis), np.delete(steps, 0, axis)
        assert abs(np.corrcoef(here.ravel(), there.ravel())[0, 1]) < limit


@pytest.mark.parametrize("across", ["steps", "pixels", "replicas", "draws of a step"])
def test_bytes_are_uniform_and_independent(across):
    """The bytes that binarise pixels, and those beside them, fill a table of 64 x 64 evenly."""

    def drawn(step=0, row=0, fold=0):  # [500, 784]
        words = random.bits([500, 196], random.fold(a_seed(step, row), fold)).numpy()
        return np.stack([words >> np.uint32(8 * k) & np.uint32(255) for k in range(4)], axis=-1).reshape(500, -1)

    first, other = drawn(), {"steps": drawn(step=1), "replicas": drawn(row=500), "draws of a step": drawn(fold=1)}
    here, there = (first[:, :-1], first[:, 1:]) if across == "pixels" else (first, other[across])
    table = np.histogram2d(here.ravel(), there.ravel(), bins=64, range=[[0, 256], [0, 256]])[0]
    assert scipy.stats.chisquare(table.ravel()).pvalue > 1e-4
    assert scipy.stats.chisquare(np.bincount(there.ravel(), minlength=256)).pvalue > 1e-4


def test_bytes_below_has_the_probability_asked_for():
    threshold = np.tile(np.arange(257), (4000, 1))
    frequency = random.bytes_below(tf.constant(threshold), a_seed()).numpy().mean(axis=0)
    assert frequency[0] == 0 and frequency[256] == 1
    deviation = np.sqrt(np.arange(257) / 256 * (1 - np.arange(257) / 256) / 4000) + 1e-9
    assert np.abs((frequency - np.arange(257) / 256) / deviation).max() < 5


def test_a_vector_and_a_dynamic_shape():
    assert random.normal([7], a_seed()).shape == (7,)
    draw = tf.function(lambda n: random.normal([n, 3], a_seed()))
    np.testing.assert_array_equal(draw(tf.constant(5)), random.normal([5, 3], a_seed()))
