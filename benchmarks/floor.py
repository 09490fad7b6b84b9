"""Where the time of training goes: `python -m benchmarks.floor`. See docs/performance.md.

The products of matrices of a step are the floor under XLA; beside them a step in a group of 100, and a step of `fit`.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

import tfvae
from benchmarks import images
from benchmarks.peers import tfvae_fit
from tfvae import data, trainer

LAYERS = ((784, 200), (200, 200), (200, 100), (50, 200), (200, 200), (200, 784))  # inputs and outputs
BATCH, STEPS, TIMES = 100, 100, 11

__all__ = ["main"]


def main() -> None:
    """Print milliseconds a step, medians."""
    parser = argparse.ArgumentParser("python -m benchmarks.floor", description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=os.environ.get("TFVAE_MNIST"), help="folder of MNIST's files; else digits")
    pixels = images.read(parser.parse_args().data)["train"][..., None]
    operations = sum(2 * BATCH * rows * columns * (3 if index else 2) for index, (rows, columns) in enumerate(LAYERS))
    square = tf.random.normal([2000, 2000])
    rate = 2 * 2000**3 / _median(tf.function(lambda: tf.reduce_sum(square @ square), jit_compile=True))
    products = _median(_products()) / STEPS
    vae = tfvae_fit.make_vae()
    vae.compile(keras.optimizers.Adam(1e-3))
    batches = data.batch_arrays([pixels], BATCH, shuffle=True)
    whole = _fit(vae, batches)
    vae.steps_per_execution = STEPS
    steps, group = trainer.GroupedSteps(vae, vae.train_step), next(iter(data.group_batches(batches, STEPS)))
    step = _median(lambda: steps.take_group(*group)["loss"]) / STEPS
    print("| | ms a step | GFLOP/s |\n|---|---:|---:|")
    for name, seconds in (
        (f"{operations / 1e6:.0f} MFLOP at the rate of a product of 2000 x 2000", operations / rate),
        ("products of matrices of a step, alone", products),
        ("a step, in a group of 100", step),
        ("a step of `fit`, with reading the data and all", whole),
    ):
        print(f"| {name} | {1e3 * seconds:.2f} | {operations / seconds / 1e9:.0f} |")


def _median(function: Callable[[], tf.Tensor]) -> float:
    """Return the seconds of a call that gives a tensor, a median."""
    function()
    seconds = []
    for _ in range(TIMES):
        start = time.perf_counter()
        function().numpy()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _fit(vae: tfvae.VAE, batches: tf.data.Dataset) -> float:
    """Return the seconds of a step of `fit`, a median."""
    done = tfvae_fit.Epochs()
    ends = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: done.end(logs["loss"]))
    vae.fit(batches, epochs=TIMES, verbose=0, callbacks=[ends])
    return statistics.median(done.seconds[1:]) / len(batches)


def _products() -> Callable[[], tf.Tensor]:
    """Make a program of `STEPS` times the products of a step: of each layer forward, for its input (but the first)
    and for its kernel. What they give stays in the loop, or goes into the next turn, so that none is left out."""
    rng = np.random.default_rng(0)
    kernels = [tf.constant(rng.normal(size=shape) / shape[0] ** 0.5, tf.float32) for shape in LAYERS]
    inputs = [tf.constant(rng.normal(size=(BATCH, shape[0])), tf.float32) for shape in LAYERS]

    def turn(i, inputs, gradients):
        inputs[0] = tf.tensor_scatter_nd_update(inputs[0], [[0, 0]], [tf.cast(i, tf.float32)])
        outputs = [x @ kernel for x, kernel in zip(inputs, kernels, strict=True)]
        gradients = [tf.matmul(x, y, transpose_a=True) for x, y in zip(inputs, outputs, strict=True)]
        pairs = zip(outputs[1:], kernels[1:], strict=True)
        return i + 1, [inputs[0], *(tf.tanh(tf.matmul(y, kernel, transpose_b=True)) for y, kernel in pairs)], gradients

    @tf.function(jit_compile=True, autograph=False)
    def run():
        _, last, gradients = tf.while_loop(lambda i, *_: i < STEPS, turn, (0, inputs, kernels), parallel_iterations=1)
        return tf.add_n([tensor[0, 0] for tensor in (*last, *gradients)])

    return run


if __name__ == "__main__":
    main()
