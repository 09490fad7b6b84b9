"""The `tf.distribute` strategy of an experiment."""

import tensorflow as tf

from tfvae import rendezvous, replicas

__all__ = ["make_strategy", "meet_workers"]

TRAINING = ("chief", "worker")  # the jobs of a cluster that TensorFlow's strategy waits for


def make_strategy(name: str) -> tf.distribute.Strategy:
    """Make the strategy of a name: "mirrored", "multi_worker", or any other for the default.

    It is to be called before anything else is done with TensorFlow, as several workers must find each other first; and
    once, as TensorFlow confuses the messages of two.
    """
    made = tf.distribute.get_strategy()
    if name == "multi_worker":
        meet_workers()
        made = tf.distribute.MultiWorkerMirroredStrategy()
    elif name == "mirrored":
        made = tf.distribute.MirroredStrategy()
    return made if replicas.has_several(made) else tf.distribute.get_strategy()  # which is faster on one device


def meet_workers() -> None:
    """Wait for the other workers of TF_CONFIG, if there are any."""
    cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    own = cluster.task_type, cluster.task_id
    places = cluster.cluster_spec().as_dict()
    addresses = {(kind, i): place for kind in TRAINING for i, place in enumerate(places.get(kind, ()))}
    if own in addresses:  # else TensorFlow says what is wrong
        rendezvous.meet(addresses.pop(own), list(addresses.values()))
