"""VAE: a preprocessor, an encoder network, a posterior, a prior, a decoder network, a likelihood and an objective."""

import keras
import tensorflow as tf

from tfvae import random, replicas
from tfvae.objectives import ELBO

__all__ = ["VAE"]

PARTS = ("preprocessor", "encoder", "posterior", "prior", "decoder", "likelihood", "objective")


@keras.saving.register_keras_serializable("tfvae")
class VAE(keras.Model):
    """A variational autoencoder (Kingma and Welling 2013, arXiv:1312.6114), composed of seven parts.

    Data `[B, ...]` goes through the preprocessor to x `[B, *event]`; encoder and posterior give q(z|x); decoder and
    likelihood give p(x|z); the objective measures them, and its mean loss over the batch is minimised. `fit`,
    `evaluate` and callbacks show `loss`, `elbo`, `reconstruction` and `kl`, in nats per example;
    `elbo = reconstruction - kl` is a lower bound of log p(x), without the objective's weights.

    All noise follows from `seed` and the optimizer's step. Weights start from Keras' own seed: for a run that can be
    repeated, call `keras.utils.set_random_seed` before the networks are made.

    Args:
        encoder: `keras.Model`, x -> features.
        posterior: `distributions.Conditional`, features -> q(z|x), event `[n]`.
        prior: `distributions.Prior`, p(z), event `[n]`.
        decoder: `keras.Model`, z `[B, n]` -> features.
        likelihood: `distributions.Conditional`, features -> p(x|z), event `[*event]`.
        objective: `objectives.Objective`; the ELBO unless given.
        preprocessor: Keras layer, data -> x; the identity unless given.
        seed: integer, the run's noise.

    Raises:
        ValueError: when the shapes of two parts do not fit; it names both.
    """

    def __init__(
        self, encoder, posterior, prior, decoder, likelihood, objective=None, preprocessor=None, seed=0, **kwargs
    ):
        super().__init__(**kwargs)
        self.preprocessor = preprocessor or keras.layers.Identity()
        self.encoder, self.posterior, self.prior = encoder, posterior, prior
        self.decoder, self.likelihood, self.objective = decoder, likelihood, objective or ELBO()
        self.seed = seed
        self.trackers = [keras.metrics.Mean(name=name) for name in ("loss", "elbo", "reconstruction", "kl")]
        self.batches = keras.metrics.Sum(name="batches")  # of this evaluation so far
        self._draws = 0
        check_parts(self)
        if "seed" not in self.preprocessor._call_context_args:
            self.preprocessor._register_call_context_args("seed")
        for layer, network in ((posterior, encoder), (likelihood, decoder)):
            if not layer.built:
                layer.build(network.output_shape)
        self(tf.zeros((1, *likelihood.event_shape), self.data_dtype))  # builds the rest: saving and loading need it

    @property
    def data_dtype(self):
        """The type of data that an exported model takes: "uint8" for preprocessors of pixels, else "float32"."""
        if getattr(self.preprocessor, "inputs", None):  # a keras.Model
            return keras.backend.standardize_dtype(self.preprocessor.inputs[0].dtype)
        return getattr(self.preprocessor, "data_dtype", "float32")

    # distributions

    def preprocess(self, data, training=False, seed=None):
        """Data as loaded `[B, ...]` -> x `[B, *event]`, float32. In training a preprocessor may draw noise from `seed`.

        Raises:
            ValueError: when x has another shape or type than the likelihood's events.
        """
        if getattr(self.preprocessor, "inputs", None) and data.dtype.name != self.data_dtype:
            raise ValueError(  # Keras would cast it, and pixels 0..255 would look like floats in [0, 1]
                f"the preprocessor takes {self.data_dtype}, but the data is {data.dtype.name}: begin it with "
                f"keras.Input(shape, dtype={data.dtype.name!r})"
            )
        x = self.preprocessor(data, training=training, seed=seed)
        check_event(self, x, data)
        return x

    def infer(self, x, training=False):
        """x `[B, *event]`, preprocessed -> q(z|x): batch `[B]`, event `[n]`."""
        return self.posterior(self.encoder(x, training=training))

    def encode(self, data, training=False):
        """Data as loaded `[B, ...]` -> q(z|x): batch `[B]`, event `[n]`."""
        return self.infer(self.preprocess(tf.convert_to_tensor(data)), training)

    def decode(self, z, training=False):
        """z `[..., n]` -> p(x|z): batch `[...]`, event `[*event]`."""
        z = tf.convert_to_tensor(z)
        if z.shape[-1] != self.posterior.event_shape[-1]:
            raise ValueError(f"z has shape {tuple(z.shape)}, but the latent size is {self.posterior.event_shape[-1]}")
        features = self.decoder(tf.reshape(z, [-1, z.shape[-1]]), training=training)  # [prod(...), F]
        shape = tf.concat([tf.shape(z)[:-1], features.shape[1:]], axis=0)
        return self.likelihood(tf.ensure_shape(tf.reshape(features, shape), [*z.shape[:-1], *features.shape[1:]]))

    # what one looks at

    def call(self, data, training=False):
        """Data as loaded `[B, ...]` -> reconstructions `[B, *event]`: E[p(x|z)] at z = E[q(z|x)]. So does `predict`."""
        return self.decode(self.infer(self.preprocess(data), training).mean(), training).mean()

    def sample(self, n, seed=None):
        """E[p(x|z)] for n draws of z from the prior: `[n, *event]`.

        Args:
            n: number of samples.
            seed: int32 `[2]`; without it each call draws anew, in an order that follows from the model's seed.
        """
        return self.decode(self.prior.distribution().sample(n, seed=self.draw_seed(seed))).mean()

    def interpolate(self, first, second, steps=8):
        """Decoded points on the line from E[q(z|first)] to E[q(z|second)], ends included: `[B, steps, *event]`.

        Args:
            first, second: data as loaded, `[B, ...]` each.
            steps: number of points, at least 2.
        """
        start, end = (self.encode(data).mean()[:, None] for data in (first, second))  # [B, 1, n]
        weight = tf.linspace(0.0, 1.0, steps)[:, None]  # [steps, 1]
        return self.decode((1 - weight) * start + weight * end).mean()

    def draw_seed(self, seed=None):
        """The seed given, or else the next of the model's own."""
        if seed is not None:
            return seed
        self._draws += 1
        return random.seed(self.seed, random.Stream.SAMPLING, self._draws)

    # training

    def adapt(self, data):
        """Fits what follows from statistics of the training data: a preprocessor that has `adapt` (`Normalization` of
        Keras), and the decoder's last bias, which starts where p(x|z) has the data's mean.

        Args:
            data: `tf.data` of batches as loaded, `[B, ...]` each.
        """
        if hasattr(self.preprocessor, "adapt"):
            self.preprocessor.adapt(data)
        total, count = 0.0, 0
        for batch in data:
            seed = random.seed(self.seed, random.Stream.DATA, row=count)
            total += tf.reduce_sum(self.preprocess(batch, training=True, seed=seed), axis=0)
            count += len(batch)
        self.likelihood.start(total / count)

    def terms(self, data, seed, training=False):
        """Data as loaded `[B, ...]` and a seed int32 `[2]` -> the objective's `Terms`, each `[B]`, nats."""
        x = self.preprocess(data, training, random.fold(seed, 0))
        step = self.optimizer.iterations if self.compiled else 0
        return self.objective(
            x,
            self.infer(x, training),
            self.prior.distribution(),
            lambda z: self.decode(z, training),
            step,
            random.fold(seed, 1),
        )

    def train_step(self, data):
        """One step of the optimizer down the mean loss over the global batch."""
        data = images_only(data)
        row, total = replicas.place_in_batch(tf.shape(data)[0])
        seed = random.seed(self.seed, random.Stream.TRAINING, self.optimizer.iterations, row)
        with tf.GradientTape() as tape:
            terms = self.terms(data, seed, training=True)
            loss = tf.reduce_sum(terms.loss) / tf.cast(total, tf.float32)
            loss += tf.nn.scale_regularization_loss(tf.add_n([0.0, *self.losses]))
            loss = self.optimizer.scale_loss(loss)  # for mixed precision
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply(gradients, self.trainable_weights)
        return self.track(terms)

    def test_step(self, data):
        """The terms of one batch; the noise follows from the number of the batch, so it repeats from pass to pass."""
        data = images_only(data)
        row, _ = replicas.place_in_batch(tf.shape(data)[0])
        seed = random.seed(self.seed, random.Stream.EVALUATION, tf.cast(self.batches.result(), tf.int32), row)
        self.batches.update_state(1.0)
        return self.track(self.terms(data, seed))

    def track(self, terms):
        """Adds the terms of a batch to the metrics; gives their values so far."""
        for tracker in self.trackers:
            tracker.update_state(getattr(terms, tracker.name))
        return self.get_metrics_result()

    @property
    def metrics(self):
        return [*self.trackers, self.batches]

    def get_metrics_result(self):
        return {tracker.name: tracker.result() for tracker in self.trackers}

    # Keras

    def fit(self, x=None, *args, validation_data=None, **kwargs):
        """Trains, as `keras.Model.fit` does, after a look at the first batch of `x` and of `validation_data`.

        Raises:
            ValueError: when shape, type or values of the data do not fit preprocessor and likelihood; it names both.
        """
        check_data(self, x)
        check_data(self, validation_data)
        if isinstance(x, tf.data.Dataset):
            kwargs.setdefault("shuffle", False)  # Keras cannot, and warns
        return super().fit(x, *args, validation_data=validation_data, **kwargs)

    def evaluate(self, x=None, *args, **kwargs):
        """Mean loss, elbo, reconstruction and kl, as `keras.Model.evaluate`; looks at the first batch as `fit` does."""
        if not kwargs.get("_use_cached_eval_dataset"):  # then `fit` has looked
            check_data(self, x)
        return super().evaluate(x, *args, **kwargs)

    def get_config(self):
        parts = {part: keras.saving.serialize_keras_object(getattr(self, part)) for part in PARTS}
        return super().get_config() | parts | {"seed": self.seed}

    @classmethod
    def from_config(cls, config):
        parts = {part: keras.saving.deserialize_keras_object(config[part]) for part in PARTS}
        return cls(**(config | parts))


def images_only(data):
    """What `fit` hands to a step -> the images."""
    x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
    if y is not None or weights is not None:
        raise ValueError(
            "the data has more than images (labels, or weights): leave them out, for example with "
            "data.map(lambda image, label: image)"
        )
    return x


def check_parts(vae):
    """ValueError, naming both sides, when two parts have shapes that do not fit."""
    event, latent = vae.likelihood.event_shape, vae.posterior.event_shape
    pairs = (
        ("encoder takes", vae.encoder.input_shape[1:], "likelihood models events of", event),
        ("decoder takes", vae.decoder.input_shape[1:], "posterior gives latents of", latent),
        ("prior has latents of", vae.prior.event_shape, "posterior gives latents of", latent),
    )
    for name, shape, other, expected in pairs:
        if tuple(shape) != tuple(expected):
            raise ValueError(f"the {name} shape {tuple(shape)}, but the {other} shape {tuple(expected)}")


def check_event(vae, x, data):
    """ValueError, naming both sides, when x is not what the likelihood models."""
    event, name = vae.likelihood.event_shape, type(vae.likelihood).__name__
    where = f"data {data.dtype.name} {tuple(data.shape)}, preprocessor {type(vae.preprocessor).__name__}"
    if tuple(x.shape[1:]) != event:
        raise ValueError(
            f"x has shape {tuple(x.shape)} ({where}), but the likelihood {name} models events of shape {event}"
        )
    if not x.dtype.is_floating:
        raise ValueError(
            f"x is {x.dtype.name} ({where}), but the likelihood {name} models floats: give the VAE a preprocessor, "
            "such as preprocessing.Binarize() or Rescale() for pixels"
        )


def check_data(vae, data):
    """ValueError when the first batch of a data set or array does not fit; other kinds may be read but once."""
    if isinstance(data, tf.data.Dataset):
        data = next(iter(data.take(1)), None)
        if data is None:
            raise ValueError("the data set is empty")
        data = images_only(data)
    elif not hasattr(data, "shape"):
        return
    data = tf.convert_to_tensor(data[:1024])
    if hasattr(vae.preprocessor, "support"):
        check_support(data, vae.preprocessor, "preprocessor", "takes")
    seed = random.seed(vae.seed, random.Stream.DATA)
    x = vae.preprocess(data, training=True, seed=seed)
    check_support(x, vae.likelihood, "likelihood", "models", f", through {type(vae.preprocessor).__name__},")


def check_support(values, part, kind, verb, how=""):
    """ValueError when values lie outside what a preprocessor takes or a likelihood models."""
    outside = ~part.support(values)
    if tf.reduce_any(outside):
        example = tf.boolean_mask(values, outside)[0]
        raise ValueError(
            f"the {kind} {type(part).__name__} {verb} {part.domain}, but the data{how} has values such as {example:.4g}"
        )
