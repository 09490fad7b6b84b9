"""VAE: a preprocessor, an encoder network, a posterior, a prior, a decoder network, a likelihood and an objective."""

import keras
import tensorflow as tf

from tfvae import compatibility, random, replicas, trainer
from tfvae.distributions import over_rows
from tfvae.objectives import ELBO, Given

__all__ = ["VAE"]

PARTS = ("preprocessor", "encoder", "posterior", "prior", "decoder", "likelihood", "objective")
FORMAT = 1  # of saved VAEs: one more when what is saved comes to mean something else
START_EXAMPLES = 1000  # that a prior may start from


@keras.saving.register_keras_serializable("tfvae")
class VAE(keras.Model):
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

    Args:
        encoder: `keras.Model`, x -> features.
        posterior: `distributions.Conditional`, features -> q(z|x), event `[n]`.
        prior: `distributions.Prior`, p(z), event `[n]`.
        decoder: `keras.Model`, z `[B, n]` -> features; of what the prior lets it see of z.
        likelihood: `distributions.Conditional`, features -> p(x|z), event `[*event]`.
        objective: `objectives.Objective`; the ELBO unless given.
        preprocessor: Keras layer, data -> x; the identity unless given.
        seed: integer, the run's noise.
        condition_size: k, of the conditions of a conditional VAE; 0 for one that has none.

    Raises:
        ValueError: when the shapes of two parts do not fit; it names both.
    """

    def __init__(
        self,
        encoder,
        posterior,
        prior,
        decoder,
        likelihood,
        objective=None,
        preprocessor=None,
        seed=0,
        condition_size=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.preprocessor = preprocessor or keras.layers.Identity()
        self.encoder, self.posterior, self.prior = encoder, posterior, prior
        self.decoder, self.likelihood, self.objective = decoder, likelihood, objective or ELBO()
        self.seed, self.condition_size = seed, condition_size
        self.trackers = [keras.metrics.Mean(name=name) for name in ("loss", "elbo", "reconstruction", "kl")]
        self.batches = keras.metrics.Sum(name="batches")  # of this evaluation so far
        self._draws = 0
        self._sizes = {}  # of the groups of steps that train and test function were made for
        self.programs = {}  # of evaluations, compiled
        compatibility.parts(self)
        if "seed" not in self.preprocessor._call_context_args:
            self.preprocessor._register_call_context_args("seed")
        if not self.preprocessor.built:  # now: what Keras builds while it traces a call may keep tensors of the trace
            self.preprocessor.build((None, *likelihood.event_shape))
        for layer, network in ((posterior, encoder), (likelihood, decoder)):
            if not layer.built:
                layer.build(network.output_shape)
        prior.keep_within(*compatibility.bounds(self))
        example = tf.zeros((1, *likelihood.event_shape), self.data_dtype)
        self(
            (example, tf.zeros((1, condition_size))) if condition_size else example
        )  # saving and loading need it built

    directions = {"loss": "min", "elbo": "max", "reconstruction": "max", "kl": "min"}  # where values are better

    @property
    def data_dtype(self):
        """The type of data that an exported model takes: "uint8" for preprocessors of pixels, else "float32"."""
        if getattr(self.preprocessor, "inputs", None):  # a keras.Model
            return keras.backend.standardize_dtype(self.preprocessor.inputs[0].dtype)
        return getattr(self.preprocessor, "data_dtype", "float32")

    # distributions

    def split(self, data):
        """Data as loaded -> (data without conditions `[B, ...]`, conditions `[B, k]` or None).

        Raises:
            ValueError: when there are conditions and the VAE takes none, or the other way round, or another k.
        """
        data, condition = compatibility.pair(self, data)
        return data, None if condition is None else self.as_condition(condition)

    def as_condition(self, condition):
        """Conditions as loaded -> float32 `[B, k]`."""
        if not condition.dtype.is_floating:
            condition = tf.one_hot(tf.reshape(condition, [-1]), self.condition_size)
        if condition.shape.rank != 2 or condition.shape[-1] != self.condition_size:
            raise ValueError(
                f"conditions have shape {tuple(condition.shape)}, but the VAE takes [B, {self.condition_size}]"
            )
        return tf.cast(condition, tf.float32)

    def preprocess(self, data, training=False, seed=None):
        """Data as loaded `[B, ...]` -> x `[B, *event]`, float32. In training a preprocessor may draw noise from `seed`.

        Raises:
            ValueError: when x has another shape or type than the likelihood's events.
        """
        data, _ = self.split(data)
        if getattr(self.preprocessor, "inputs", None) and data.dtype.name != self.data_dtype:
            raise ValueError(  # Keras would cast it, and pixels 0..255 would look like floats in [0, 1]
                f"the preprocessor takes {self.data_dtype}, but the data is {data.dtype.name}: begin it with "
                f"keras.Input(shape, dtype={data.dtype.name!r})"
            )
        x = self.preprocessor(data, training=training, seed=seed)
        compatibility.event(self, x, data)
        return x

    def infer(self, x, condition=None, training=False):
        """x `[B, *event]`, preprocessed, and conditions `[B, k]` -> q(z|x): batch `[B]`, event `[n]`."""
        features = self.encoder(x if condition is None else [x, condition], training=training)
        return self.posterior(features, training=training)

    def encode(self, data, training=False):
        """Data as loaded `[B, ...]` -> q(z|x): batch `[B]`, event `[n]`."""
        compatibility.examples(self, data)
        return self.infer(self.preprocess(data), self.split(data)[1], training)

    def decode(self, z, condition=None, training=False):
        """z `[..., n]`, and conditions whose batch broadcasts to z's -> p(x|z): batch `[...]`, event `[*event]`."""
        z, condition = compatibility.latent(self, z, condition)
        seen = z[..., : self.prior.decoder_shape[-1]]
        return self.likelihood(over_rows(self.decoder, seen, condition, training=training), training=training)

    def given(self, data, training=False, step=0, seed=None, seed_of_x=None) -> Given:
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

        prior = self.prior.distribution(condition, infer)
        return Given(x, infer(x, condition), prior, decode, step, seed, condition, infer)

    # what one looks at

    def call(self, data, training=False):
        """Data as loaded `[B, ...]` -> reconstructions `[B, *event]`: E[p(x|z)] at the center of q(z|x), for most
        posteriors their mean. So does `predict`."""
        condition = self.split(data)[1]
        posterior = self.infer(self.preprocess(data), condition, training)
        return self.decode(self.posterior.center(posterior), condition, training).mean()

    def sample(self, n, condition=None, seed=None):
        """E[p(x|z)] for n draws of z from the prior: `[n, *event]`.

        Args:
            n: number of samples.
            condition: of a conditional VAE, one for all (`[k]`, or an integer below k) or n of them.
            seed: int32 `[2]`; without it each call draws anew, in an order that follows from the model's seed.
        """
        if condition is not None:
            condition = compatibility.conditions(self, condition)
            condition = tf.broadcast_to(self.as_condition(condition), [n, self.condition_size])
        prior = self.prior.distribution(condition, self.infer)
        z = prior.sample([] if prior.batch_shape.rank else n, seed=self.draw_seed(seed))  # [n, latent size]
        return self.decode(z, condition).mean()

    def interpolate(self, first, second, steps=8):
        """Decoded points on the way from the center of q(z|first) to that of q(z|second): `[B, steps, *event]`.

        The prior says which way (a line, on a sphere an arc); conditions go straight.

        Args:
            first, second: data as loaded, `[B, ...]` each.
            steps: number of points, ends included, at least 2.
        """
        weight = tf.linspace(0.0, 1.0, steps)[:, None]  # [steps, 1]
        start, end = (self.posterior.center(self.encode(data))[:, None] for data in (first, second))  # [B, 1, n]
        conditions = [self.split(data)[1] for data in (first, second)]
        condition = None
        if self.condition_size:
            condition = (1 - weight) * conditions[0][:, None] + weight * conditions[1][:, None]  # [B, steps, k]
        return self.decode(self.prior.between(start, end, weight), condition).mean()

    def draw_seed(self, seed=None):
        """The seed given, or else the next of the model's own."""
        if seed is not None:
            return seed
        self._draws += 1
        return random.seed(self.seed, random.Stream.SAMPLING, self._draws)

    # training

    def adapt(self, data):
        """Fits what follows from statistics of the training data: a preprocessor that has `adapt` (`Normalization` of
        Keras); the decoder's last bias, which starts where p(x|z) has the data's mean; and a prior that starts from
        examples (`VampPrior`). Sample weights do not count here.

        Args:
            data: `tf.data` of batches as loaded, `[B, ...]` each; or an array `[N, ...]`, of a conditional VAE a pair.

        Raises:
            ValueError: when the data does not fit, or the preprocessor is made of layers one of which has to be adapted
                by itself.
        """
        data = compatibility.batches(data)
        compatibility.data(self, data)
        if hasattr(self.preprocessor, "adapt"):
            self.preprocessor.adapt(data.map(lambda *batch: self.split(compatibility.as_loaded(batch))[0]))
            self._forget_programs()  # its statistics are constants of theirs
        compatibility.adapted(self)
        total, count, examples = 0.0, 0, []
        for batch in data:
            batch = compatibility.as_loaded(batch)
            compatibility.examples(self, batch)
            seed = random.seed(self.seed, random.Stream.DATA, row=count)
            x, (_, condition) = self.preprocess(batch, training=True, seed=seed), self.split(batch)
            if count < START_EXAMPLES:
                examples.append((x, condition))
            total += tf.reduce_sum(x, axis=0)
            count += len(x)
        self.likelihood.start(total / count)
        x, condition = zip(*examples, strict=True)
        self.prior.start(tf.concat(x, axis=0), tf.concat(condition, axis=0) if self.condition_size else None)

    def _forget_programs(self):
        self.programs.clear()
        self.train_function = self.test_function = self.predict_function = None

    def terms(self, data, seed, training=False):
        """Data as loaded `[B, ...]` and a seed int32 `[2]` -> the objective's `Terms`, each `[B]`, nats. The loss of
        each example has what layers add to be minimised, such as regularisers of weights."""
        step = self.optimizer.iterations if self.compiled else 0
        found = self.objective(self.given(data, training, step, random.fold(seed, 1), random.fold(seed, 0)))
        penalties = [tf.cast(penalty, tf.float32) for penalty in self.losses]
        return found._replace(loss=found.loss + tf.add_n(penalties)) if penalties else found

    def train_step(self, data):
        """One step of the optimizer down the mean loss over the global batch, weighted where the data has weights."""
        data, weights = compatibility.unpacked(data)
        row, total = replicas.place_in_batch(tf.shape(self.split(data)[0])[0])
        if weights is not None:
            total = replicas.summed(tf.reduce_sum(weights))

        def seed(first):
            return random.seed(self.seed, random.Stream.TRAINING, self.optimizer.iterations, row + first)

        terms, gradients = trainer.gradients(self, data, seed, total, weights)
        replicas.take_sums(self.optimizer)
        self.optimizer.apply(replicas.total(gradients, self.trainable_weights), self.trainable_weights)
        return self.track(terms, weights)

    def gradients(self, data, seed, total, weights=None):
        """Data as loaded, a seed, the number of examples in the global batch or the sum of their weights, and those of
        these data `[B]` -> the objective's `Terms` of these data, and their part of the gradients of the global batch's
        mean loss."""
        self._seed_layers(seed)
        with tf.GradientTape() as tape:
            terms = self.terms(data, seed, training=True)
            if weights is None:
                loss = tf.reduce_sum(terms.loss) / tf.cast(total, tf.float32)
            else:
                loss = tf.math.divide_no_nan(tf.reduce_sum(weights * terms.loss), total)
            loss = self.optimizer.scale_loss(loss)  # for mixed precision
        return terms, tape.gradient(loss, self.trainable_weights)

    def _seed_layers(self, seed):
        """Lets the noise of Keras' own layers, such as `Dropout`, follow from the step's seed too: no file says where
        their generators stand."""
        generators = [generator for layer in self._flatten_layers() for generator in layer._seed_generators]
        for i, generator in enumerate(generators):
            generator.state.assign(tf.cast(random.fold(seed, 2 + i), generator.state.dtype))

    def test_step(self, data):
        """The terms of one batch; the noise follows from the number of the batch, so it repeats from pass to pass."""
        data, weights = compatibility.unpacked(data)
        row, _ = replicas.place_in_batch(tf.shape(self.split(data)[0])[0])
        seed = random.seed(self.seed, random.Stream.EVALUATION, tf.cast(self.batches.result(), tf.int32), row)
        self.batches.update_state(1.0)
        return self.track(self.terms(data, seed), weights)

    def predict_step(self, data):
        return self(compatibility.as_loaded(data))

    def track(self, terms, weights=None):
        """Adds the terms of a batch, weighted or not, to the metrics; gives their means so far."""
        for tracker in self.trackers:
            tracker.update_state(getattr(terms, tracker.name), weights)
        return self.get_metrics_result()

    @property
    def metrics(self):
        return [*self.trackers, self.batches]

    def get_metrics_result(self):
        return {tracker.name: tracker.result() for tracker in self.trackers}

    # Keras

    def compile(self, optimizer="rmsprop", loss=None, loss_weights=None, metrics=None, weighted_metrics=None, **kwargs):
        """As `keras.Model.compile`, but that the objective is the loss, and its terms are the metrics.

        Raises:
            ValueError: when a loss or metrics are given, or `steps_per_execution` is below 1.
        """
        own = {"loss": loss, "loss_weights": loss_weights, "metrics": metrics, "weighted_metrics": weighted_metrics}
        for name, value in own.items():
            if value:
                raise ValueError(
                    f"compile({name}=...): leave it out, the loss is the VAE's objective, VAE(objective=...), and the "
                    "metrics are loss, elbo, reconstruction and kl"
                )
        if kwargs.get("steps_per_execution", 1) < 1:
            raise ValueError(f"steps_per_execution must be 1 or more, not {kwargs['steps_per_execution']}")
        super().compile(optimizer, **kwargs)

    def compile_from_config(self, config):
        """Compiles as a saved model was."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self._build_optimizer()

    def fit(self, x=None, y=None, *args, **kwargs):
        """Trains, as `keras.Model.fit` does, after a look at the first batch of `x` and of `validation_data`. Arrays of
        a conditional VAE are x and y, the conditions.

        Of `tf.data` and arrays, groups of steps run as one program: as many as `compile(steps_per_execution=...)` says,
        or, where that is 1, up to 100 unless a callback of one's own acts on batches. The numbers are those of single
        steps, as which those of generators run.

        Raises:
            ValueError: when shape, type or values of the data do not fit preprocessor and likelihood; it names both.
                When a callback monitors, in mode "auto", what is none of the four values.
        """
        self._assert_compile_called("fit")
        self._build_optimizer()  # else the first step would make variables, and be traced twice
        with trainer.prepared(self, super().fit, (x, y, *args), kwargs) as arguments:
            return super().fit(**arguments)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """Mean loss, elbo, reconstruction and kl, as `keras.Model.evaluate`; looks at the first batch as `fit` does."""
        if kwargs.get("_use_cached_eval_dataset"):  # `fit` has prepared it
            return super().evaluate(x, y, *args, **kwargs)
        self._assert_compile_called("evaluate")
        with trainer.prepared(self, super().evaluate, (x, y, *args), kwargs) as arguments:
            return super().evaluate(**arguments)

    def predict(self, x, *args, **kwargs):
        """Reconstructions of all of x, `[N, *event]`, as `keras.Model.predict` gives what `call` does."""
        with trainer.prepared(self, super().predict, (x, *args), kwargs) as arguments:
            return super().predict(**arguments)

    def save(self, filepath, *args, **kwargs):
        """As `keras.Model.save`, to a `.keras` file.

        Raises:
            ValueError: for another kind of file, such as `.h5`, which could not be loaded.
        """
        if not str(filepath).endswith(".keras"):
            raise ValueError(f"{filepath}: a VAE is saved to a file that ends in .keras; others could not be loaded")
        super().save(filepath, *args, **kwargs)

    def load_weights(self, *args, **kwargs):
        """As `keras.Model.load_weights`, the optimizer's variables included."""
        self._build_optimizer()
        super().load_weights(*args, **kwargs)

    def _build_optimizer(self):
        if self.compiled and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing: a VAE is built from the start, and Keras' own fails on distributed batches."""

    def _resolve_auto_jit_compile(self):
        """What `compile(jit_compile="auto")`, the default, means: XLA where it is faster."""
        return trainer.gains_from_xla(self)

    def make_train_function(self, force=False):
        """What `fit` runs: steps in groups, or, eagerly on one device, Keras' own."""
        self._make_function_of("train", force)

    def make_test_function(self, force=False):
        """What `evaluate` runs, as for `fit`."""
        self._make_function_of("test", force)

    def make_predict_function(self, force=False):
        """What `predict` runs: batches joined to one, or, where steps cannot be grouped, Keras' own."""
        if self.run_eagerly or replicas.several(self.distribute_strategy):
            super().make_predict_function(force)
        elif force or self.predict_function is None:
            self.predict_function = trainer.joined(self, self.predict_step)

    def _make_function_of(self, mode, force):
        step, size = getattr(self, f"{mode}_step"), int(self.steps_per_execution)
        several = replicas.several(self.distribute_strategy)
        if self.run_eagerly and not several:
            getattr(super(), f"make_{mode}_function")(force)
        elif force or getattr(self, f"{mode}_function") is None or self._sizes.get(mode) != size:
            make = trainer.replicated if several else trainer.grouped
            setattr(self, f"{mode}_function", make(self, step))
            self._sizes[mode] = size

    def get_config(self):
        parts = {part: keras.saving.serialize_keras_object(getattr(self, part)) for part in PARTS}
        own = {"format": FORMAT, "seed": self.seed, "condition_size": self.condition_size}
        return super().get_config() | parts | own

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        found = config.pop("format", 0)  # the first had none
        if found != FORMAT:
            raise ValueError(
                f"the saved VAE has format {found}, and this tfvae reads format {FORMAT}: load it with the tfvae that "
                "saved it, or train it anew"
            )
        parts = {part: keras.saving.deserialize_keras_object(config[part]) for part in PARTS}
        return cls(**(config | parts))
