"""VAE: a preprocessor, an encoder network, a posterior, a prior, a decoder network, a likelihood and an objective."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import compatibility, random
from tfvae.adaptation import adapt_parts
from tfvae.compatibility import Loaded
from tfvae.distributions import Conditional, Prior, over_rows
from tfvae.imputation import impute_rows
from tfvae.layers import build_layer
from tfvae.objectives import ELBO, Given, Objective, Terms
from tfvae.preprocessing import PreprocessorView, view_layer
from tfvae.trainer import Trainer, gains_from_xla

__all__ = ["VAE"]

PARTS = ("preprocessor", "encoder", "posterior", "prior", "decoder", "likelihood", "objective")
FORMAT = 1  # of saved VAEs: one more when what is saved comes to mean something else


@keras.saving.register_keras_serializable("tfvae")
class VAE(Trainer):
    """A variational autoencoder (Kingma and Welling 2013, arXiv:1312.6114), composed of seven parts.

    Data `[B, ...]` goes through the preprocessor to x `[B, *event]`; encoder and posterior give q(z|x); decoder and
    likelihood give p(x|z); the objective measures them, and its mean loss over the batch is minimised. `fit`,
    `evaluate` and callbacks show `loss`, `elbo`, `reconstruction` and `kl`, in nats per example;
    `elbo = reconstruction - kl` is a lower bound of log p(x), without the objective's weights.

    A conditional VAE (Sohn, Lee and Yan 2015, "Learning structured output representation using deep conditional
    generative models") models p(x|c): its data are pairs (x, condition), where one that is not conditional has x alone.
    A condition is floats `[B, k]`, or integers `[B]` below k, which stand for one-hot vectors. Its networks take
    `condition_size=k`, and so may its prior.

    All noise follows from `seed` and the optimizer's step. Weights start from Keras' own seed: for a run that can be
    repeated, call `keras.utils.set_random_seed` before the networks are made.

    `compile`, `fit`, `evaluate`, `predict` and `save` are those of `tfvae.trainer.Trainer`.

    Args:
        encoder: `keras.Model`, x -> features.
        posterior: `distributions.Conditional`, features, which may be maps, -> q(z|x), event `[n]`.
        prior: `distributions.Prior`, p(z), event `[n]`.
        decoder: `keras.Model`, z `[B, n]`, or as maps, -> features; of what the prior lets it see of z.
        likelihood: `distributions.Conditional`, features -> p(x|z), event `[*event]`.
        objective: `objectives.Objective`; the ELBO unless given.
        preprocessor: Keras layer, data -> x; the identity unless given.
        seed: integer, the run's noise.
        condition_size: k, of the conditions of a conditional VAE; 0 for one that has none.

    Raises:
        ValueError: when the shapes of two parts do not fit; it names both.
    """

    preprocessor_view: PreprocessorView  # what the preprocessor does, whatever kind of layer it is

    def __init__(
        self,
        encoder: keras.Model,
        posterior: Conditional,
        prior: Prior,
        decoder: keras.Model,
        likelihood: Conditional,
        objective: Objective | None = None,
        preprocessor: keras.layers.Layer | None = None,
        seed: int = 0,
        condition_size: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.preprocessor = preprocessor or keras.layers.Identity()
        self.encoder, self.posterior, self.prior = encoder, posterior, prior
        self.decoder, self.likelihood, self.objective = decoder, likelihood, objective or ELBO()
        self.seed, self.condition_size = seed, condition_size
        self._draws = 0
        # now: what Keras builds while it traces a call may keep tensors of the trace
        build_layer(self.preprocessor, (None, *likelihood.event_shape))
        self.preprocessor_view = view_layer(self.preprocessor)
        compatibility.check_parts(self)
        build_layer(posterior, encoder.output_shape)
        build_layer(likelihood, decoder.output_shape)
        prior.keep_within(*compatibility.bounds_of_x(self))
        example = tf.zeros((1, *likelihood.event_shape), self.data_dtype)
        self((example, tf.zeros((1, condition_size))) if condition_size else example)  # saving needs it built
        self.jit_compile = gains_from_xla(self)  # until `compile` says

    # data

    @property
    def data_dtype(self) -> str:
        """The type of data that an exported model takes: "uint8" for preprocessors of pixels, else "float32"."""
        return self.preprocessor_view.data_dtype

    def split(self, data: Loaded) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Split data as loaded into data without conditions `[B, ...]`, and conditions `[B, k]` or None.

        Raises:
            ValueError: when there are conditions and the VAE takes none, or the other way round, or another k.
        """
        data, condition = compatibility.split_pair(self, data)
        return data, None if condition is None else compatibility.to_condition(self, condition)

    def preprocess(self, data: Loaded, training: bool = False, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Preprocess data as loaded `[B, ...]`: x `[B, *event]`, float32. In training, noise may be drawn from `seed`.

        Raises:
            ValueError: when x has another shape or type than the likelihood's events.
        """
        data, _ = self.split(data)
        compatibility.check_dtype(self, data)
        x = self.preprocessor_view.preprocess(data, training, seed)
        compatibility.check_event(self, x, data)
        return x

    # distributions

    def infer(self, x: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False) -> tfd.Distribution:
        """Give q(z|x), batch `[B]`, event `[n]`, of x `[B, *event]`, preprocessed, and conditions `[B, k]`."""
        seen = self.preprocessor_view.seen(x)
        features = self.encoder(seen if condition is None else [seen, condition], training=training)
        return self.posterior(features, training=training)

    def encode(self, data: Loaded, training: bool = False) -> tfd.Distribution:
        """Give q(z|x), batch `[B]`, event `[n]`, of data as loaded `[B, ...]`."""
        compatibility.check_examples(self, data)
        return self.infer(self.preprocess(data), self.split(data)[1], training)

    def decode(self, z: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False) -> tfd.Distribution:
        """Give p(x|z), batch `[...]`, event `[*event]`, of z `[..., n]`, and conditions whose batch fits z's."""
        z, condition = compatibility.check_latents(self, z, condition)
        seen, shape = z[..., : self.prior.decoder_shape[-1]], compatibility.decoder_input(self)
        return self.likelihood(over_rows(self.decoder, seen, condition, shape, training=training), training=training)

    def given(
        self,
        data: Loaded,
        training: bool = False,
        step: Any = 0,
        seed: tf.Tensor | None = None,
        seed_of_x: tf.Tensor | None = None,
    ) -> Given:
        """Encode data as loaded, and give everything that an objective may look at.

        Args:
            data: as loaded, `[B, ...]`; of a conditional VAE, a pair.
            training: whether layers behave as in training.
            step: the optimizer's step, for the objective.
            seed: int32 `[2]`, of the objective's noise.
            seed_of_x: int32 `[2]`, of the noise that a preprocessor draws in training.
        """
        x, (_, condition) = self.preprocess(data, training, seed_of_x), self.split(data)

        def infer(x, condition=None):
            return self.infer(x, condition, training)

        def decode(z, condition=condition):
            return self.decode(z, condition, training)

        shown = x if seed_of_x is None or not training else self.preprocessor_view.hidden(x, random.fold(seed_of_x, 1))
        prior = self.prior.distribution(condition, infer)
        return Given(x, infer(shown, condition), prior, decode, step, seed, condition, infer)

    def terms(self, data: Loaded, seed: tf.Tensor, training: bool = False) -> Terms:
        """Give the objective's `Terms`, each `[B]`, nats, of data as loaded `[B, ...]` and a seed, int32 `[2]`. To the
        loss of each example belongs what layers add to be minimised, such as regularisers of weights."""
        step = self.optimizer.iterations if self.compiled else 0
        found = self.objective(self.given(data, training, step, random.fold(seed, 1), random.fold(seed, 0)))
        penalties = [tf.cast(penalty, tf.float32) for penalty in self.losses]
        return found._replace(loss=found.loss + tf.add_n(penalties)) if penalties else found

    # what one looks at

    def call(self, data: Loaded, training: bool = False) -> tf.Tensor:
        """Reconstruct data as loaded `[B, ...]`: E[p(x|z)] `[B, *event]` at the center of q(z|x), which for most
        posteriors is their mean. `predict` gives the same."""
        condition = self.split(data)[1]
        posterior = self.infer(self.preprocess(data), condition, training)
        return self.decode(self.posterior.center(posterior), condition, training).mean()

    def sample(self, n: int, condition: Any = None, seed: tf.Tensor | None = None, mean: bool = True) -> tf.Tensor:
        """Give E[p(x|z)] for n draws of z from the prior, or draws of x: `[n, *event]`.

        Args:
            n: number of samples.
            condition: of a conditional VAE, one for all (`[k]`, or an integer below k) or n of them.
            seed: int32 `[2]`; without it each call draws anew, in an order that follows from the model's seed.
            mean: whether to give the mean of p(x|z), as one does of pictures; else x is drawn, as it is in the data.
        """
        condition = compatibility.spread_condition(self, condition, n)
        prior = self.prior.distribution(condition, self.infer)
        if seed is None:
            self._draws += 1
            seed = random.seed(self.seed, random.Stream.SAMPLING, self._draws)
        z = prior.sample([] if prior.batch_shape.rank else n, seed=seed)  # [n, latent size]
        decoded = self.decode(z, condition)
        return decoded.mean() if mean else decoded.sample(seed=random.fold(seed, 1))

    def impute(self, data: Loaded, draws: int | None = None, samples: int = 1000, seed: int = 0) -> Any:
        """Fill in what is missing (NaN) of data as loaded `[N, ...]`, or of a data frame, given what is there.

        Args:
            data: as loaded; of a model of tables also a data frame.
            draws: of p(x_missing|x_observed); None gives one value for them: the mean, of categories the likeliest.
            samples: importance samples of z for each row, at least 1.
            seed: integer.

        Returns:
            x `[N, *event]`, float32, or `[draws, N, *event]`; of a data frame, one or as many data frames.
        """
        return compatibility.fill_gaps(
            self, data, lambda x, condition: impute_rows(self, x, condition, draws, samples, seed), draws is not None
        )

    def interpolate(self, first: Loaded, second: Loaded, steps: int = 8) -> tf.Tensor:
        """Decode points on the way from the center of q(z|first) to that of q(z|second): `[B, steps, *event]`.

        The prior says which way (a line, on a sphere an arc); conditions go straight.

        Args:
            first, second: data as loaded, `[B, ...]` each.
            steps: number of points, ends included, at least 2.
        """
        weight = tf.linspace(0.0, 1.0, steps)[:, None]  # [steps, 1]
        start, end = (self.posterior.center(self.encode(data))[:, None] for data in (first, second))  # [B, 1, n]
        conditions = [c[:, None] for c in (self.split(data)[1] for data in (first, second)) if c is not None]
        condition = (1 - weight) * conditions[0] + weight * conditions[1] if conditions else None  # [B, steps, k]
        return self.decode(self.prior.between(start, end, weight), condition).mean()

    # before training

    def adapt(self, data: Any) -> None:
        """Fit what follows from statistics of the training data: a preprocessor that has `adapt`; units of the
        likelihood; the decoder's last bias, so that p(x|z) starts at the data's mean; a prior that starts from examples
        (`VampPrior`). Sample weights do not count here.

        Args:
            data: `tf.data` of batches as loaded, `[B, ...]` each; or an array `[N, ...]`, of a conditional VAE a pair.

        Raises:
            ValueError: when the data does not fit, or a layer within the preprocessor has to be adapted by itself.
        """
        adapt_parts(self, data)

    # saving

    def get_config(self) -> dict[str, Any]:
        parts = {part: keras.saving.serialize_keras_object(getattr(self, part)) for part in PARTS}
        own = {"format": FORMAT, "seed": self.seed, "condition_size": self.condition_size}
        return super().get_config() | parts | own

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "VAE":
        config = dict(config)
        compatibility.check_format(config.pop("format", 0), FORMAT)  # the first had none
        parts = {part: keras.saving.deserialize_keras_object(config[part]) for part in PARTS}
        return cls(**(config | parts))
