"""What is known of data sets beyond `tf.data`: where their arrays are, and how many batches a whole pass has."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from tests.models import small_images, small_vae
from tfvae import data

COUNT, SIZE = 23, 5


def batched(**settings):
    return data.batch_arrays([np.arange(COUNT)], SIZE, **settings)


def test_arrays_are_known_to_be_in_memory():
    batches = data.Batches.of(batched(shuffle=True))
    assert batches.in_memory and batches.count == 5
    assert [len(piece) for piece in batches.pieces(10)] == [10, 10, 3]
    np.testing.assert_array_equal(np.concatenate(list(batches.pieces(10))), np.arange(COUNT))


def test_of_a_stream_there_are_no_pieces():
    for stream in (batched().map(lambda x: x), tf.data.Dataset.range(COUNT).batch(SIZE)):
        batches = data.Batches.of(stream)
        assert not batches.in_memory and batches.count == 5 and list(batches.pieces(10)) == []
    assert data.Batches.of(batched().filter(lambda x: True)).count is None
    assert data.Batches.of(batched().repeat()).count is None


def test_what_is_mapped_has_as_many_batches():
    position = data.Position(2)
    mapped = data.Batches.of(batched(position=position)).map(lambda x: -x)
    assert mapped.count == 5 and not mapped.in_memory
    assert [len(list(mapped.dataset)) for _ in range(2)] == [3, 5]


@pytest.mark.parametrize("in_memory", [True, False])
def test_the_count_is_that_of_a_whole_pass(in_memory):
    """Also where the next pass begins in its middle."""
    loaded = data.load("digits", "train[:23]", batch_size=SIZE, in_memory=in_memory, position=data.Position(2))
    assert data.Batches.of(loaded).count == 5
    assert len(list(loaded)) == 3


def test_data_sets_are_not_kept():
    loaded = batched()
    gone = weakref.ref(loaded)
    data.Batches.of(loaded)
    del loaded
    gc.collect()
    assert gone() is None


def test_all_that_is_in_memory_is_looked_at_before_training():
    images = (small_images(200) / 255).astype(np.float32)
    images[150] = 2.0
    vae = small_vae()
    with pytest.raises(ValueError, match=r"takes uint8 pixels or floats in \[0, 1\].*such as 2"):
        vae.fit(data.batch_arrays([images], 10), verbose=0)
    assert int(vae.optimizer.iterations) == 0


def groups_of(passes):
    """Groups of one pass, as arrays."""
    return [(rows.numpy().tolist(), stacked.numpy()) for rows, stacked in passes]


@pytest.mark.parametrize("skip", [0, 2])
@pytest.mark.parametrize("shuffle", [True, False])
def test_a_pass_of_one_group_is_that_of_tf_data(shuffle, skip):
    settings = {"batch_size": SIZE, "shuffle": shuffle, "seed": 3}
    streamed = data.ArrayBatches([np.arange(COUNT)], **settings, position=data.Position(skip)).groups(7)
    passes = data.ArrayBatches([np.arange(COUNT)], **settings, position=data.Position(skip)).passes(7)
    seen = []
    for _ in range(3):
        ((rows, stacked),), ((expected_rows, expected),) = groups_of(passes), groups_of(streamed)
        assert rows == expected_rows
        np.testing.assert_array_equal(stacked, expected)
        seen.append(stacked)
    assert len(seen[0]) == 5 - skip and len(seen[1]) == 5
    assert shuffle != np.array_equal(seen[1], seen[2])


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_pass_begins_when_it_is_read(size):
    position = data.Position()
    passes = data.Batches.of(batched(shuffle=True, position=position)).passes(size)
    iter(passes)
    assert int(position.passes) == 0
    assert len(list(passes)) == -(-5 // size) and int(position.passes) == 1


def test_passes_that_are_alike_are_read_once():
    """Small ones; what is shuffled, or counts its passes, is read each time."""

    def first(**settings):
        passes = data.ArrayBatches([np.arange(COUNT)], SIZE, **settings).passes(7)
        return [next(iter(passes))[1] for _ in range(2)]

    one, other = first()
    assert one is other
    for settings in ({"shuffle": True}, {"position": data.Position()}):
        one, other = first(**settings)
        assert one is not other
