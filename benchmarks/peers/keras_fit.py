"""Keras alone, as in its example of a VAE: a sampling layer, a `train_step` of one's own, `fit` on an array."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from benchmarks import images
from benchmarks.epochs import Epochs

__all__ = ["training"]


class Sampling(layers.Layer):
    """Mean and log-variance `[B, n]` -> a draw `[B, n]`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(0)

    def call(self, inputs):
        mean, log_variance = inputs
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * noise


class VAE(keras.Model):
    """Encoder `[B, ...] -> mean, log-variance, z` and decoder `z -> logits [B, ...]`."""

    def __init__(self, encoder, decoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder, self.decoder = encoder, decoder
        self.seed_generator = keras.random.SeedGenerator(1)
        self.loss_tracker = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.loss_tracker]

    def train_step(self, data):
        uniform = keras.random.uniform(ops.shape(data), seed=self.seed_generator)
        x = ops.cast(uniform < data, "float32")
        with tf.GradientTape() as tape:
            mean, log_variance, z = self.encoder(x)
            cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=self.decoder(z))
            reconstruction = ops.sum(ops.reshape(cross_entropy, (-1, 784)), axis=-1)
            kl = -0.5 * ops.sum(1 + log_variance - ops.square(mean) - ops.exp(log_variance), axis=-1)
            loss = ops.mean(reconstruction + kl)
        self.optimizer.apply_gradients(
            zip(tape.gradient(loss, self.trainable_weights), self.trainable_weights, strict=True)
        )
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}


def training(file, count, epochs, batch_size=100, network="mlp"):
    """See `benchmarks.peers`."""
    done = Epochs()
    ends = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: done.end(logs["loss"]))
    shape = (784,) if network == "mlp" else (28, 28, 1)
    x = images.training(file, count).reshape(-1, *shape).astype(np.float32) / 255
    vae = VAE(*(_mlp() if network == "mlp" else _conv()))
    vae.compile(optimizer=keras.optimizers.Adam(1e-3))
    vae.fit(x, epochs=epochs, batch_size=batch_size, callbacks=[ends], verbose=0)
    return done


def _mlp():
    x, z = keras.Input((784,)), keras.Input((50,))
    h = layers.Dense(200, "tanh")(layers.Dense(200, "tanh")(x))
    logits = layers.Dense(784)(layers.Dense(200, "tanh")(layers.Dense(200, "tanh")(z)))
    return _encoder(x, h, 50), keras.Model(z, logits)


def _conv():
    x, z = keras.Input((28, 28, 1)), keras.Input((32,))
    h = layers.Conv2D(32, 3, 2, padding="same", activation="relu")(x)
    h = layers.Conv2D(64, 3, 2, padding="same", activation="relu")(h)
    g = layers.Reshape((7, 7, 64))(layers.Dense(7 * 7 * 64, "relu")(z))
    g = layers.Conv2DTranspose(64, 3, 2, padding="same", activation="relu")(g)
    g = layers.Conv2DTranspose(32, 3, 2, padding="same", activation="relu")(g)
    return _encoder(x, layers.Flatten()(h), 32), keras.Model(z, layers.Dense(1)(g))


def _encoder(x, h, latent):
    mean, log_variance = layers.Dense(latent)(h), layers.Dense(latent)(h)
    return keras.Model(x, [mean, log_variance, Sampling()([mean, log_variance])])
