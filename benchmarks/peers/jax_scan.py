"""JAX at its best: each epoch is one compiled `lax.scan` over permuted batches, images stay on the device as uint8."""

import functools
import math
import secrets

import jax
import jax.numpy as jnp
import optax

from benchmarks import images
from benchmarks.epochs import Epochs

__all__ = ["log_marginal", "training"]

ADAM = optax.adam(1e-3)
CHUNK = 50  # importance samples of a batch at once

glorot = jax.nn.initializers.glorot_uniform()


def training(file, count, epochs, batch_size=100, network="mlp"):
    """See `benchmarks.peers`."""
    return _train(file, count, epochs, batch_size, network)[1]


def log_marginal(file, count, samples):
    """See `benchmarks.peers`."""
    parameters, _ = _train(file, count, epochs=1)
    estimate = jax.jit(functools.partial(_log_marginal, samples=samples))

    def evaluate(pixels, batch_size=100):
        batches = jnp.asarray(pixels.reshape(-1, batch_size, 784))
        return float(jnp.mean(jnp.stack([estimate(parameters, jax.random.key(i), x) for i, x in enumerate(batches)])))

    return evaluate


def _train(file, count, epochs, batch_size=100, network="mlp"):
    done = Epochs()
    pixels = jnp.asarray(images.training(file, count).reshape(-1, 784))
    start, *keys = jax.random.split(jax.random.key(secrets.randbits(31)), epochs + 1)  # each run another
    parameters = (_mlp if network == "mlp" else _conv)(start)
    state = ADAM.init(parameters)
    for key in keys:
        parameters, state, loss = _epoch(parameters, state, key, pixels, batch_size, network)
        done.end(loss)
    return parameters, done


@functools.partial(jax.jit, static_argnames=("batch_size", "network"), donate_argnums=(0, 1))
def _epoch(parameters, state, key, pixels, batch_size, network):
    """All batches of one epoch, the last of them whole -> parameters, state, mean loss."""
    steps = len(pixels) // batch_size
    order = jax.random.permutation(key, len(pixels))[: steps * batch_size].reshape(steps, batch_size)

    def step(carry, inputs):
        parameters, state = carry
        rows, key = inputs
        loss, gradients = jax.value_and_grad(_loss)(parameters, pixels[rows], key, network)
        updates, state = ADAM.update(gradients, state)
        return (optax.apply_updates(parameters, updates), state), loss

    keys = jax.random.split(jax.random.fold_in(key, 1), steps)
    (parameters, state), losses = jax.lax.scan(step, (parameters, state), (order, keys))
    return parameters, state, losses.mean()


def _loss(parameters, pixels, key, network):
    """-ELBO, the mean over a batch of pixels uint8 [B, 784], nats."""
    encode, decode = (_encode_mlp, _decode_mlp) if network == "mlp" else (_encode_conv, _decode_conv)
    drawing, sampling = jax.random.split(key)
    x = jax.random.bernoulli(drawing, pixels / 255.0).astype(jnp.float32)
    mean, log_variance = jnp.split(encode(parameters, x), 2, axis=-1)
    z = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(sampling, mean.shape)
    kl = -0.5 * jnp.sum(1 + log_variance - mean**2 - jnp.exp(log_variance), axis=-1)
    return jnp.mean(kl - _log_bernoulli(x, decode(parameters, z)))


def _log_bernoulli(x, logits):
    return jnp.sum(x * logits - jax.nn.softplus(logits), axis=-1)


def _log_marginal(parameters, key, pixels, samples):
    """log 1/S sum_s p(x|z_s) p(z_s) / q(z_s|x) of pixels uint8 [B, 784]: [B]; the sum grows chunk by chunk."""
    chunk = math.gcd(samples, CHUNK)
    x = (pixels > 0).astype(jnp.float32)
    mean, log_variance = jnp.split(_encode_mlp(parameters, x), 2, axis=-1)

    def add(total, key):
        noise = jax.random.normal(key, (chunk, *mean.shape))  # [chunk, B, n]
        z = mean + jnp.exp(0.5 * log_variance) * noise
        log_ratio = 0.5 * jnp.sum(noise**2 + log_variance - z**2, axis=-1)  # log p(z) - log q(z|x)
        log_weight = _log_bernoulli(x, _decode_mlp(parameters, z)) + log_ratio
        return jnp.logaddexp(total, jax.nn.logsumexp(log_weight, axis=0)), None

    keys = jax.random.split(key, samples // chunk)
    return jax.lax.scan(add, jnp.full(len(x), -jnp.inf), keys)[0] - math.log(samples)


def _dense(key, inputs, units):
    return glorot(key, (inputs, units)), jnp.zeros(units)


def _mlp(key):
    sizes = ((784, 200), (200, 200), (200, 100), (50, 200), (200, 200), (200, 784))
    return [_dense(k, *size) for k, size in zip(jax.random.split(key, len(sizes)), sizes, strict=True)]


def _encode_mlp(parameters, x):
    return _layers(parameters[:3], x)


def _decode_mlp(parameters, z):
    return _layers(parameters[3:], z)


def _layers(parameters, h):
    for weights, bias in parameters[:-1]:
        h = jnp.tanh(h @ weights + bias)
    weights, bias = parameters[-1]
    return h @ weights + bias


def _conv(key):
    keys = jax.random.split(key, 7)
    kernels = ((3, 3, 1, 32), (3, 3, 32, 64), (3, 3, 64, 64), (3, 3, 64, 32))  # height, width, from, to
    maps = [(glorot(k, shape), jnp.zeros(shape[-1])) for k, shape in zip(keys[3:], kernels, strict=True)]
    return maps, [_dense(keys[0], 7 * 7 * 64, 64), _dense(keys[1], 32, 7 * 7 * 64), _dense(keys[2], 32, 1)]


def _encode_conv(parameters, x):
    (first, second, *_), (dense, *_) = parameters
    h = x.reshape(-1, 28, 28, 1)
    for layer in (first, second):
        h = _convolve(h, layer, padding=(0, 1, 0), stride=2)
    return h.reshape(len(h), -1) @ dense[0] + dense[1]


def _decode_conv(parameters, z):
    (*_, first, second), (_, dense, logits) = parameters
    h = jax.nn.relu(z @ dense[0] + dense[1]).reshape(-1, 7, 7, 64)
    for layer in (first, second):
        h = _convolve(h, layer, padding=(2, 1, 1), stride=1)  # transposed, of stride 2: zeros between the pixels
    return (h @ logits[0] + logits[1]).reshape(len(h), 784)


def _convolve(h, layer, padding, stride):
    """A convolution 3x3 and its relu, as a product of matrices; `padding` before, after and between pixels.

    `lax.conv_general_dilated` gives the same, but is far slower on CPUs, in its gradients and within loops.
    """
    kernel, bias = layer
    h = jax.lax.pad(h, 0.0, ((0, 0, 0), padding, padding, (0, 0, 0)))
    end = h.shape[1] - 2
    patches = [h[:, i : i + end : stride, j : j + end : stride] for i in range(3) for j in range(3)]
    return jax.nn.relu(jnp.concatenate(patches, axis=-1) @ kernel.reshape(-1, kernel.shape[-1]) + bias)
