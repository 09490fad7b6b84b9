"""TensorFlow warns of no retracing where programs are made anew for each model, export or evaluation."""

import logging

import pytest
import tensorflow as tf
from tensorflow.python.eager.polymorphic_function import polymorphic_function

from tests.models import small_images, small_vae
from tfvae import programs, replicas
from tfvae.exporting import saved_model

TIMES = 2


@pytest.fixture
def warned(monkeypatch):
    """The warnings of TensorFlow, which come after the second tracing here, for speed; otherwise after the fifth."""
    monkeypatch.setattr(polymorphic_function, "FREQUENT_TRACING_WARNING_THRESHOLD", TIMES)
    lines, handler = [], logging.Handler(logging.WARNING)
    monkeypatch.setattr(handler, "emit", lambda record: lines.append(record.getMessage()))
    tf.get_logger().addHandler(handler)
    yield lines
    tf.get_logger().removeHandler(handler)


def test_tensorflow_counts_by_source_and_programs_are_counted_by_themselves(warned):
    """Shows that TensorFlow still has what the tests below hold against."""
    for make in (tf.function, programs.program):
        for _ in range(TIMES):
            make(lambda: tf.constant(1))()
        assert len(warned) == 1 and "triggered tf.function retracing" in warned[0]


def test_a_program_that_is_traced_again_and_again_is_warned_of(warned):
    program = programs.program(lambda x: x)
    for size in range(TIMES):
        program(tf.zeros(size))
    assert len(warned) == 1


def test_models_one_after_the_other(warned):
    """As in a search, or in a notebook. Long: programs of two models."""
    images = small_images(8)
    for _ in range(TIMES):
        vae = small_vae(compiled={"steps_per_execution": 2})
        vae.fit(images, batch_size=4, verbose=0)
        vae.train_on_batch(images[:4])
        vae.predict(images, batch_size=4, verbose=0)
    assert warned == []


def test_evaluations_and_exports_one_after_the_other(warned, replicas_of):
    function = tf.function(lambda x: {"y": x}, input_signature=[tf.TensorSpec([None])]).get_concrete_function()
    for _ in range(TIMES):
        over = replicas.over_replicas(replicas_of(1), lambda rows, seed: rows[None])
        over(tf.range(4), lambda row: tf.constant([0, row]))
        saved_model.compute_answers({"f": function}, {"f": {"x": [1.0]}})
    assert warned == []
