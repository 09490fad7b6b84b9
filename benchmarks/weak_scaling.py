"""One worker against two, each on a core of its own: `python -m benchmarks.weak_scaling`. See docs/distributed.md.

Each worker has 100 images of a batch, so that two do twice the work of one; efficiency is the time of an epoch of one
over that of two, 1 where communication costs nothing.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

import numpy as np

from benchmarks import images
from tfvae import local_cluster

MODELS = {  # the network, the width of an MLP's layers, and images for each worker
    "MLP, layers of 100": ("mlp", 100, 10_000),
    "MLP, layers of 200": ("mlp", 200, 10_000),
    "MLP, layers of 800": ("mlp", 800, 4_000),
    "convolutions of 32 and 64 channels": ("conv", 200, 3_000),
}
EPOCHS, BATCH = 4, 100

__all__ = ["main"]


def main() -> None:
    """Print a table of medians over the runs."""
    parser = argparse.ArgumentParser("python -m benchmarks.weak_scaling", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print("| model | parameters | s an epoch, 1 worker | 2 workers | efficiency |\n|---|---:|---:|---:|---:|")
    for name in MODELS:
        found = [[_measure(name, count) for count in (1, 2)] for _ in range(options.runs)]
        one, two = (statistics.median(run[index]["seconds"] for run in found) for index in (0, 1))
        print(f"| {name} | {found[0][0]['parameters']:,} | {one:.3f} | {two:.3f} | {one / two:.2f} |", flush=True)


def _measure(name: str, count: int) -> dict[str, float]:
    """Return what a worker of so many printed: seconds of an epoch, and the number of parameters."""
    addresses = [f"127.0.0.1:{port}" for port in local_cluster.free_ports(count)]
    cores, started = sorted(os.sched_getaffinity(0)), []
    for index in range(count):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = os.environ | {"TF_CONFIG": json.dumps(task), "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-m", "benchmarks.weak_scaling", name, str(cores[index])]
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    printed = [process.communicate()[0] for process in started]
    return json.loads(printed[0].splitlines()[-1])


def _work(name: str, core: str) -> None:
    """Train as one worker of a cluster, on one core; print seconds of the median epoch after the first."""
    os.sched_setaffinity(0, [int(core)])
    import keras
    import tensorflow as tf

    from benchmarks.epochs import Epochs
    from benchmarks.peers import tfvae_fit

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    network, width, count = MODELS[name]
    total = strategy.num_replicas_in_sync
    pixels = np.resize(images.read()["train"][..., None], (total * count, 28, 28, 1))
    with strategy.scope():
        vae = tfvae_fit.make_vae(network, width)
        vae.compile(keras.optimizers.Adam(1e-3))
    done = Epochs()
    ends = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: done.end(logs["loss"]))
    batches = tf.data.Dataset.from_tensor_slices(pixels).batch(total * BATCH)
    vae.fit(batches, epochs=EPOCHS, callbacks=[ends], verbose=0)
    steps = int(vae.optimizer.iterations.numpy())
    assert steps == EPOCHS * count // BATCH, f"{steps} steps, losses {done.losses}"
    print(json.dumps({"seconds": statistics.median(done.seconds[1:]), "parameters": vae.count_params()}))


if __name__ == "__main__":
    _work(*sys.argv[1:]) if len(sys.argv) == 3 and sys.argv[1] in MODELS else main()
