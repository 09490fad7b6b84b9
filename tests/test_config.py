import pathlib

import pytest
import tensorflow as tf

from tests import models
from tfvae import config
from tfvae.config import constructors

ROOT = pathlib.Path(__file__).parent.parent
CONFIGS = sorted([*(ROOT / "configs").glob("*.yaml"), *(ROOT / "configs" / "reproduce").glob("*.yaml")])
DIGITS = tf.TensorSpec([None, 28, 28, 1], tf.uint8)
SMOKE = ROOT / "configs" / "smoke.yaml"


QUICK = ("digits", "shapes", "smoke")  # the others are slow: of results, and of tables, with more of theirs


@pytest.mark.parametrize(
    "path",
    [pytest.param(p, id=p.stem, marks=() if p.stem in QUICK else pytest.mark.slow) for p in CONFIGS],
)
def test_every_yaml_builds_and_runs_a_step(path):
    experiment = config.read(path)
    schema, spec, batches = (
        config.table_schema(experiment),
        DIGITS,
        models.dataset(tf.zeros((4, 28, 28, 1), tf.uint8), 4),
    )
    if schema is not None:  # its own example
        batches, _ = config.training_data(experiment)
        spec = batches.element_spec
    vae = config.compiled_vae(experiment, spec, schema)
    assert vae.compiled
    vae.run_eagerly, vae.jit_compile = True, False
    vae.adapt(batches)
    assert "elbo" in vae.fit(batches.take(1), verbose=0).history


def test_what_is_written_is_read_again(tmp_path):
    experiment = config.read(SMOKE, ["optimizer.Adam.learning_rate=3e-3", "data.validation=null"])
    config.write(experiment, tmp_path / "again.yaml")
    again = config.read(tmp_path / "again.yaml")
    one, two = (models.weights(config.compiled_vae(e, DIGITS)) for e in (experiment, again))
    assert (one == two).all()
    config.write(again, tmp_path / "third.yaml")
    assert (tmp_path / "third.yaml").read_text() == (tmp_path / "again.yaml").read_text()


def test_yaml_numbers_and_words_are_those_of_yaml_12():
    experiment = config.read(SMOKE, ["optimizer.Adam.learning_rate=3e-3", "latent_size=7"])
    assert experiment.optimizer.as_keys() == {"Adam": {"learning_rate": 3e-3}} and experiment.latent_size == 7


def test_parts_schedules_and_callbacks_by_name():
    experiment = config.read(
        SMOKE,
        [
            "objective={ELBO: {beta: 4, warmup_steps: 10}}",
            "optimizer={SGD: {learning_rate: {CosineDecay: {initial_learning_rate: 0.1, decay_steps: 5}}}}",
            "fit.callbacks=[{EarlyStopping: {monitor: val_elbo, mode: max, patience: 3}}]",
            "preprocessor={Rescaling: {scale: 0.5}}",
        ],
    )
    vae = config.compiled_vae(experiment, DIGITS)
    assert vae.objective.beta == 4 and vae.preprocessor.scale == 0.5
    assert type(config.callbacks(experiment)[0]).__name__ == "EarlyStopping"
    assert float(vae.optimizer.learning_rate) == pytest.approx(0.1)


def test_ones_own_class_by_its_path():
    experiment = config.read(SMOKE, ["likelihood={tests.models.FixedNormal: }", "preprocessor={Rescale: }"])
    assert isinstance(config.compiled_vae(experiment, DIGITS).likelihood, models.FixedNormal)


def test_a_base_that_cannot_be(tmp_path):
    (tmp_path / "a.yaml").write_text("base: b.yaml")
    for text, message in (("base: a.yaml", "is the base of itself"), ("base: 3", "must be the path of a yaml, not 3")):
        (tmp_path / "b.yaml").write_text(text)
        with pytest.raises(config.ConfigError, match=message):
            config.read(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text("base: c.yaml")
    with pytest.raises(FileNotFoundError, match=r"no such config: .*c\.yaml"):
        config.read(tmp_path / "a.yaml")


def test_validation_that_a_yaml_drops_is_told_of(tmp_path):
    (tmp_path / "a.yaml").write_text(f"base: {SMOKE}\ndata: {{name: digits, batch_size: 20}}")
    with pytest.warns(UserWarning, match=r"data: has no validation.*'train\[500:600\]' too"):
        assert config.read(tmp_path / "a.yaml").data.batch_size == 20
    (tmp_path / "a.yaml").write_text(f"base: {SMOKE}\ndata: {{name: digits, batch_size: 20, validation: null}}")
    config.read(tmp_path / "a.yaml")  # a warning would be an error


def test_classes_of_a_folder_have_its_names(tmp_path):
    for name in ("circles", "squares"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.png").write_bytes(tf.io.encode_png(tf.zeros((8, 8, 1), tf.uint8)).numpy())
    experiment = config.read(SMOKE, [f"data={{name: {tmp_path}/photos, condition: label}}"])
    assert config.class_names(experiment, "label") == ("circles", "squares")
    assert config.class_names(config.read(SMOKE), "label") == tuple("0123456789")
    assert config.class_names(config.read(SMOKE), "factors") is None


def test_parts_within_parts_are_checked_and_made_like_parts():
    flow = "posterior={PlanarFlow: {layers: 2, base: {FullNormal: }}}"
    posterior = config.compiled_vae(config.read(SMOKE, [flow]), DIGITS).posterior
    assert type(posterior.base).__name__ == "FullNormal" and posterior.base.event_shape == (4,)
    for base, message in (("{FullNorml: }", "FullNorml: .*did you mean FullNormal"), ("3", "base: must be one")):
        with pytest.raises(config.ConfigError, match=f"posterior.PlanarFlow.base.*{message}|{message}"):
            config.read(SMOKE, [f"posterior={{PlanarFlow: {{base: {base}}}}}"])


def test_seeds_are_measured_on_the_same_pixels():
    one, other = (config.evaluation_data(config.read(SMOKE, [f"seed={s}"]), "test") for s in (1, 2))
    for batch, same in zip(one, other, strict=True):
        assert (batch.numpy() == same.numpy()).all()


def test_one_seed_gives_the_same_weights():
    one, two, other = (config.compiled_vae(config.read(SMOKE, [f"seed={s}"]), DIGITS) for s in (1, 1, 2))
    assert (models.weights(one) == models.weights(two)).all()
    assert (models.weights(one) != models.weights(other)).any()


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("latent_siz=3", r"latent_siz: no such key; did you mean latent_size\?"),
        ("data.batchsize=3", r"data.batchsize: no such key; did you mean batch_size\?"),
        ("data.evaluation.binarise=static", r"data.evaluation.binarise: no such key; did you mean binarize\?"),
        ("data.evaluation.test=train", r"data.evaluation.test: only how data is loaded"),
        ("data.name=null", r"data.name: Input should be a valid string"),
        ("data.binarize=sometimes", r"data.binarize: Input should be 'static' or 'threshold'"),
        ("posterior={DiagonalNorml: }", r"posterior.DiagonalNorml: .*did you mean DiagonalNormal\?"),
        ("posterior={no.such.Thing: }", r"posterior.no.such.Thing: No module named 'no'"),
        ("posterior={DiagonalNormal: 3}", r"posterior.DiagonalNormal: Input should be a valid dictionary"),
        ("posterior.FullNormal={}", r"posterior: must be one {Name: arguments}"),
        ("objective.ELBO.bta=1", r"objective.ELBO.bta: no such key; did you mean beta\?"),
        ("objective.ELBO.beta=big", r"objective.ELBO.beta: Input should be a valid number, .*'big'"),
        ("encoder.mlp.units=[8, x]", r"encoder.mlp.units.1: Input should be a valid integer"),
        ("optimizer.Adam.learning_rte=1", r"optimizer.Adam.learning_rte: no such key; did you mean learning_rate\?"),
        ("optimizer={Adm: }", r"optimizer.Adm: .*did you mean Adam\?"),
        ("optimizer.Adam.learning_rate={CosineDcay: }", r"learning_rate.CosineDcay: .*did you mean CosineDecay\?"),
        ("compile.jit_comple=true", r"compile.jit_comple: no such key; did you mean jit_compile\?"),
        ("fit.epochs=0.5", r"fit.epochs: Input should be a valid integer"),
        ("fit.callbacks=[{EarlyStoping: }]", r"fit.callbacks\[0\].EarlyStoping: .*did you mean EarlyStopping\?"),
        ("fit.callbacks=[{Wacth: }]", r"fit.callbacks\[0\].Wacth: .*did you mean Watch\?"),
        ("latent_size=0", r"latent_size: Input should be greater than or equal to 1, not 0"),
        ("seed", r"--set seed: must be a.b.c=value"),
        ("seed.x=3", r"--set seed.x=3: seed holds 0, not keys and values"),
        ("strategy=many", r"strategy: Input should be 'default'"),
    ],
)
def test_mistakes_are_named_with_their_place(assignment, message):
    with pytest.raises(config.ConfigError, match=message):
        config.read(SMOKE, [assignment])


def test_parts_that_cannot_be_made_are_named():
    experiment = config.read(SMOKE, ["objective.ELBO.samples=0"])
    with pytest.raises(config.ConfigError, match=r"objective.ELBO: .*samples 1 or more"):
        config.compiled_vae(experiment, DIGITS)


@pytest.mark.parametrize(
    ("text", "message"), [("a: [1", "is not yaml"), ("- a", "must hold keys"), ("seed: 1", "data: is missing")]
)
def test_files_that_are_no_config(tmp_path, text, message):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(config.ConfigError, match=message):
        config.read(tmp_path / "bad.yaml")


def test_a_missing_file():
    with pytest.raises(FileNotFoundError, match="no such config"):
        config.read("no.yaml")


def test_paths_of_data_outlive_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("mine.npz").touch()
    assert config.read(SMOKE, ["data.name=mine.npz"]).data.name == str(tmp_path / "mine.npz")


def test_an_experiment_is_typed_all_the_way_down():
    experiment = config.read(SMOKE, ["fit.callbacks=[{EarlyStopping: {monitor: val_elbo, mode: max}}]"])
    assert experiment.data.evaluation.binarize == "static" and experiment.compile.steps_per_execution >= 1
    assert [part.name for part in experiment.fit.callbacks] == ["EarlyStopping"]
    assert experiment.with_epochs(7).fit.epochs == 7 and experiment.with_epochs(7).fit.callbacks
    assert config.from_keys(experiment.as_keys()) == experiment


def test_a_part_is_found_and_checked_when_it_is_read_and_made_later(monkeypatch):
    experiment = config.read(SMOKE, ["posterior={PlanarFlow: {layers: 2, base: {FullNormal: }}}"])
    monkeypatch.setattr(constructors, "check_value", lambda *_: pytest.fail("an argument is checked again"))
    part = experiment.posterior
    assert (part.name, part.arguments["layers"], part.arguments["base"].name) == ("PlanarFlow", 2, "FullNormal")
    assert type(part.make(3).base).__name__ == "FullNormal"


def test_of_a_run_folder_no_arguments_and_callbacks_are_looked_at(tmp_path):
    keys = config.read(SMOKE).as_keys() | {"posterior": {"DiagonalNormal": {"no": "such"}}}
    config.write(keys | {"fit": {"callbacks": [{"no.such": None}]}}, tmp_path / "config.yaml")
    experiment = config.of_run(tmp_path)
    assert experiment.posterior.name == "DiagonalNormal" and experiment.fit.callbacks == ()
    with pytest.raises(config.ConfigError, match=r"posterior.DiagonalNormal.no: no such key"):
        experiment.posterior.make(3)
