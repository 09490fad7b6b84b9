"""One worker of a cluster, for tests: trains a small VAE and, if it is the chief, writes what came out.

`TF_CONFIG` names the cluster. Arguments: number of devices, and a JSON object of settings (see `fitted`).
"""

import json
import os
import sys

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from tests.models import begin, dataset, small_images, small_vae, weights
from tfvae import evaluation


def fitted(strategy, jit=False, size=1, optimizer="SGD", count=37, epochs=2, eagerly=False):
    """Weights, the last epoch's logs, and evaluations, of a VAE trained under a strategy on batches of 8."""
    begin(0)
    made = {"SGD": lambda: keras.optimizers.SGD(0.05), "Adam": lambda: keras.optimizers.Adam(1e-3, clipnorm=0.1)}[
        optimizer
    ]
    with strategy.scope():
        vae = small_vae(made(), compiled={"jit_compile": jit, "steps_per_execution": size, "run_eagerly": eagerly})
    data, images = dataset(small_images(count), 8), small_images(9)
    history = vae.fit(data, validation_data=dataset(images, 4), epochs=epochs, verbose=0).history
    return {
        "weights": weights(vae),
        "logs": [history[name][-1] for name in sorted(history)],
        "elbo": evaluation.elbo_terms(vae, images)["elbo"].values,
        "log_marginal": evaluation.log_marginal(vae, images, samples=5).values,
    }


if __name__ == "__main__":
    devices, settings = int(sys.argv[1]), json.loads(sys.argv[2])
    out = settings.pop("out")
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * devices
    )
    found = fitted(tf.distribute.MultiWorkerMirroredStrategy(), **settings)
    if json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 0:
        np.savez(out, **found)
