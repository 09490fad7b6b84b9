"""What is exported: signatures, their answers and refusals, versions, and what lies in them."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tests import members, processes
from tests.models import linear_gaussian, small_images, small_vae
from tfvae import evaluation, exporting, networks, preprocessing, priors
from tfvae.exporting import half_precision, saved_model
from tfvae.exporting import signatures as signatures_module

ROOT = pathlib.Path(__file__).parent.parent
CHECK = ROOT / "export" / "check.py"
pytestmark = processes.GROUP  # what is exported once serves many tests
SEEDS = np.array([[0, 1], [0, 1], [7, 3], [5, 5], [9, 9], [2, 1]], np.int32)


@pytest.fixture(scope="module")
def exported(small_exported):
    """The model, the folder of its servables, and servable -> its version."""
    vae, folder = small_exported
    return vae, folder, {name: folder / name / "1" for name in ("encoder", "decoder", "scorer")}


@pytest.fixture(scope="module")
def signatures(exported):
    """servable -> its signatures."""
    return {name: tf.saved_model.load(str(path)).signatures for name, path in exported[2].items()}


@pytest.fixture(scope="module")
def no_pixels(tmp_path_factory):
    """`linear_gaussian`, its data, the folder of its servables, and what `export` gave."""
    vae, x, _ = linear_gaussian()
    folder = tmp_path_factory.mktemp("no_pixels")
    return vae, x, folder, exporting.export(vae, folder, samples=5)


@pytest.fixture(scope="module")
def conditional():
    """A conditional VAE of four labels, and its signatures: servable -> name -> function of inputs by name."""
    vae = small_vae(
        encoder=networks.mlp(members.IMAGE, [16], condition_size=4),
        decoder=networks.mlp(members.LATENT, [16], condition_size=4),
        prior=priors.ConditionalNormal(members.LATENT, 4),
        condition_size=4,
    )

    def by_name(signature):
        return lambda **given: signature.function(*(given[spec.name] for spec in signature.specs))

    found = signatures_module.make_signatures(vae, 2, 5, False)
    return vae, {name: {key: by_name(its) for key, its in signatures.items()} for name, signatures in found.items()}


@pytest.mark.slow
def test_the_session_loader_gives_the_models_answers(exported):
    """Long: it is the first, for which servables are exported."""
    done = processes.run(CHECK, exported[1])
    assert done.returncode == 0, done.stderr
    assert "all answers are the model's" in done.stdout
    for name in ("encode", "sample_image", "decode", "generate", "score_float", "log_marginal", "serving_default"):
        assert f" {name} " in done.stdout


def test_the_check_sees_a_difference(exported, tmp_path):
    """Long: it is the first, for which servables are exported."""
    for name in ("encoder", "decoder", "scorer"):  # of all, the one whose programs are made soonest
        shutil.copytree(exported[2]["decoder"], tmp_path / name / "1")
    path = tmp_path / "decoder" / "1" / "assets.extra" / "check.npz"
    with np.load(path) as file:
        stored = dict(file)
    stored["decode/outputs/mean"] = stored["decode/outputs/mean"] + 1e-3
    np.savez(path, **stored)
    done = processes.run(CHECK, tmp_path)
    (line,) = [line for line in done.stdout.splitlines() if "DIFFERS" in line]
    assert done.returncode == 1 and line.startswith("decoder/1 decode ")


def test_the_check_names_a_missing_servable(tmp_path):
    done = processes.run(CHECK, tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("error: ")


@pytest.mark.slow
def test_every_way_to_call_gives_the_models_answers(exported):
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "served.py"), str(exported[1])], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert {row[0] for row in found} == {"tf.saved_model.load", "saved_model_cli", "REST", "gRPC"}
    assert len({tuple(row[1:3]) for row in found}) == 3 * 3 + 2 * 3 + 2 + 3  # forms of signatures, and three defaults
    assert all(difference <= 1e-5 for *_, difference in found)


@pytest.mark.slow
def test_saved_model_cli_runs_a_signature(exported, tmp_path):
    np.save(tmp_path / "z.npy", np.zeros((2, members.LATENT), np.float32))
    command = [
        str(pathlib.Path(sys.executable).with_name("saved_model_cli")),
        "run",
        "--dir",
        str(exported[2]["decoder"]),
    ]
    command += ["--tag_set", "serve", "--signature_def", "decode", "--inputs", f"z={tmp_path}/z.npy"]
    done = subprocess.run([*command, "--outdir", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = exported[0].decode(tf.zeros((2, members.LATENT))).mean()
    np.testing.assert_allclose(np.load(tmp_path / "mean.npy"), expected, atol=1e-5)


def test_answers_are_the_models(exported, signatures):
    vae, images = exported[0], tf.constant(small_images(6))
    encoded = signatures["encoder"]["encode"](x=images)
    np.testing.assert_allclose(encoded["mean"], vae.encode(images).mean(), atol=1e-5)
    np.testing.assert_allclose(encoded["stddev"], vae.encode(images).stddev(), atol=1e-5)
    z = tf.random.stateless_normal((6, members.LATENT), [0, 0])
    mean = signatures["decoder"]["serving_default"](z=z)["mean"]
    np.testing.assert_allclose(mean, vae.decode(z).mean(), atol=1e-5)
    np.testing.assert_allclose(signatures["scorer"]["reconstruct"](x=images)["mean"], vae(images), atol=1e-5)


def test_what_is_drawn_follows_from_each_examples_seed_alone(exported, signatures):
    vae, images, seeds = exported[0], tf.constant(small_images(6)), tf.constant(SEEDS)
    drawn = signatures["encoder"]["sample"](x=images, seed=seeds)["z"]
    generated = signatures["decoder"]["generate"](seed=seeds)["samples"]
    scores = signatures["scorer"]["score"](x=images, seed=seeds)
    evidence = signatures["scorer"]["log_marginal"](x=images, seed=seeds)["log_marginal"]
    for i in range(6):
        one = images[i : i + 1]
        np.testing.assert_allclose(drawn[i], vae.encode(one).sample(seed=seeds[i])[0], atol=1e-5)
        np.testing.assert_allclose(generated[i], vae.sample(1, seed=seeds[i])[0], atol=1e-5)
        np.testing.assert_allclose(
            evidence[i], evaluation.log_marginal_of_batch(vae, 20, one, seeds[i])[0, 0], rtol=1e-5
        )
    np.testing.assert_allclose(scores["elbo"], scores["reconstruction"] - scores["kl"], rtol=1e-5)
    np.testing.assert_allclose(generated[0], generated[1])
    assert np.abs(generated[0] - generated[2]).max() > 1e-3
    assert np.all(evidence > scores["elbo"] - 5)


def test_pixels_may_come_as_bytes_floats_and_files(signatures):
    images = small_images(3)
    files = tf.constant([tf.io.encode_png(image).numpy() for image in images])
    plain = signatures["encoder"]["encode"](x=tf.constant(images))["mean"]
    np.testing.assert_allclose(signatures["encoder"]["encode_image"](image_bytes=files)["mean"], plain, atol=1e-6)
    floats = tf.constant(images / np.float32(255))
    np.testing.assert_allclose(signatures["encoder"]["encode_float"](x=floats)["mean"], plain, atol=1e-6)
    grey = np.full((8, 8, 1), 200, np.uint8)
    jpeg = tf.constant([tf.io.encode_jpeg(grey, quality=100).numpy()])
    expected = signatures["scorer"]["reconstruct"](x=tf.constant(grey[None]))["mean"]
    np.testing.assert_allclose(signatures["scorer"]["reconstruct_image"](image_bytes=jpeg)["mean"], expected, atol=1e-6)


def test_conditions_may_come_as_vectors_and_labels(conditional):
    vae, served = conditional
    images, labels = tf.constant(small_images(3)), tf.constant([0, 3, 1])
    vectors = tf.one_hot(labels, 4)
    plain = served["encoder"]["encode"](x=images, condition=vectors)["mean"]
    np.testing.assert_allclose(plain, vae.encode((images, vectors)).mean(), atol=1e-5)
    np.testing.assert_allclose(served["encoder"]["encode_label"](x=images, label=labels)["mean"], plain, atol=1e-6)
    seeds = tf.constant(SEEDS[:3])
    made = served["decoder"]["generate_label"](seed=seeds, label=labels)["samples"]
    np.testing.assert_allclose(made[1], vae.sample(1, 3, seed=seeds[1])[0], atol=1e-5)
    np.testing.assert_allclose(served["decoder"]["generate"](seed=seeds, condition=vectors)["samples"], made, atol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError, match="label must be 0 to 3"):
        served["decoder"]["generate_label"](seed=seeds, label=labels + 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"condition must have shape \[rows of x, 4\]"):
        served["encoder"]["encode"](x=images, condition=vectors[:2])


@pytest.mark.parametrize(
    ("servable", "signature", "inputs", "message"),
    [
        ("decoder", "decode", {"z": [[np.nan, 0.0, 0.0]]}, "z must be finite numbers"),
        ("encoder", "encode_float", {"x": np.full((1, 8, 8, 1), 1.5, np.float32)}, r"x must be .*floats in \[0, 1\]"),
        ("scorer", "score", {"x": small_images(2), "seed": SEEDS[:1]}, r"seed must have shape \[rows of x, 2\]"),
        ("encoder", "encode_image", {"image_bytes": [b"GIF89a"]}, "image_bytes must be PNG or JPEG files"),
        ("encoder", "encode_image", {"image_bytes": [b"\x89PNG\r\n\x1a\n"]}, "image_bytes"),
        (
            "encoder",
            "encode_image",
            {"image_bytes": [tf.io.encode_png(np.zeros((9, 7, 1), np.uint8)).numpy()]},
            r"image_bytes must be images of 8 x 8 pixels; height and width are\] \[9 7\]",
        ),
        (
            "encoder",
            "encode_image",
            {"image_bytes": [tf.io.encode_png(np.zeros((8, 8, 1), np.uint8)).numpy()[:-30]]},
            "node image_bytes.*DecodePng",
        ),
    ],
)  # fmt: skip
def test_the_graph_refuses_what_is_bad_and_names_it(signatures, servable, signature, inputs, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        signatures[servable][signature](**{name: tf.constant(value) for name, value in inputs.items()})


def test_the_graph_refuses_shapes_that_the_server_does_not_look_at(exported):
    """TensorFlow Serving hands arrays on, as C++ sessions do; Python's look at shapes first."""
    path = exported[2]["encoder"]
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        loaded = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(path))
        definition = loaded.signature_def["encode_float"]
        feed = {
            session.graph.get_tensor_by_name(definition.inputs["x"].name)._as_tf_output(): np.zeros(
                (1, 8, 16, 1), np.float32
            )
        }
        fetch = [session.graph.get_tensor_by_name(definition.outputs["mean"].name)._as_tf_output()]
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"x must have shape \[rows of x, 8, 8, 1\]"):
            session._call_tf_sessionrun(None, feed, fetch, [], None)


def test_warm_up_requests_are_of_every_signature(exported):
    for servable, path in exported[2].items():
        records = tf.data.TFRecordDataset(str(path / "assets.extra" / "tf_serving_warmup_requests"))
        logs = [prediction_log_pb2.PredictionLog.FromString(r) for r in records.as_numpy_iterator()]
        requests = [log.predict_log.request for log in logs]
        described = json.loads((path / "model.json").read_text())["signatures"]
        assert {r.model_spec.signature_name for r in requests} == {"serving_default", *described}
        assert {r.model_spec.name for r in requests} == {servable} and len(requests) <= 1000


@pytest.mark.slow
def test_a_conditional_vae_is_loaded_by_sessions(conditional, tmp_path):
    vae, made = conditional
    paths = exporting.export(vae, tmp_path, samples=5)
    done = processes.run(CHECK, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    served = tf.saved_model.load(str(paths["decoder"])).signatures["generate_label"]
    given = {"seed": tf.constant(SEEDS[:3]), "label": tf.constant([0, 3, 1])}
    expected = made["decoder"]["generate_label"](**given)["samples"]
    np.testing.assert_allclose(served(**given)["samples"], expected, atol=1e-5)


def test_model_json_says_what_a_version_is(exported):
    record = json.loads((exported[2]["scorer"] / "model.json").read_text())
    assert record["servable"] == "scorer" and record["version"] == 1 and record["samples"] == 20
    assert record["signatures"]["score"] == {
        "x": {"dtype": "uint8", "shape": [None, 8, 8, 1]},
        "seed": {"dtype": "int32", "shape": [None, 2]},
    }
    assert record["sha256"] == saved_model.checksum(exported[2]["scorer"])
    assert record["config"] == {"latent_size": 3}


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "bound"), [("float16", 5e-3), ("bfloat16", 5e-2)])
def test_half_precision_is_measured(exported, tmp_path, dtype, bound):
    paths = exporting.export(exported[0], tmp_path, dtype=dtype, samples=5)
    for name, path in paths.items():
        record = json.loads((path / "model.json").read_text())
        worst = max(value for outputs in record["parity"].values() for value in outputs.values())
        assert 0 < worst <= bound, (name, worst)
    variables = tf.train.load_checkpoint(str(paths["encoder"] / "variables" / "variables"))
    kinds = {variables.get_variable_to_dtype_map()[name] for name in variables.get_variable_to_shape_map()}
    assert tf.as_dtype(dtype) in kinds


def test_a_converted_vae_has_networks_of_the_other_type_and_answers_alike():
    vae = small_vae()
    half, images = half_precision.convert(vae, "bfloat16"), tf.constant(small_images(3))
    for network, other in ((vae.encoder, half.encoder), (vae.decoder, half.decoder)):
        assert {weight.dtype for weight in other.weights} == {"bfloat16"}
        for one, its in zip(network.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(tf.cast(one, tf.bfloat16), its)
    assert half.posterior is vae.posterior and half.likelihood is vae.likelihood
    mean = half.encode(images).mean()
    assert mean.dtype == tf.float32
    np.testing.assert_allclose(mean, vae.encode(images).mean(), atol=0.05)


def parity_of(path, exact, stored):
    """Of one signature `f`, whose function answers `exact`, and of which check.npz holds `stored`."""
    (path / "assets.extra").mkdir(exist_ok=True)
    np.savez(path / "assets.extra" / "check.npz", **{"f/outputs/y": np.array(stored, np.float32)})
    signature = signatures_module.Signature(lambda x: {"y": x}, [tf.TensorSpec([None], tf.float32, "x")])
    return half_precision.measure_parity(path, {"f": {"x": np.array(exact, np.float32)}}, {"f": signature})


@pytest.mark.parametrize(
    ("exact", "stored", "expected"),
    [
        ([1.0, -2.0], [1.0, -2.0], 0.0),
        ([0.5, 1.0], [0.75, 1.0], 0.25),  # absolute, below 1
        ([8.0, 0.0], [10.0, 0.0], 0.25),  # in parts of the value, above
        ([-np.inf, 4.0], [-np.inf, 5.0], 0.25),  # infinities that agree do not count
    ],
)
def test_parity_is_the_largest_difference(tmp_path, exact, stored, expected):
    assert parity_of(tmp_path, exact, stored) == {"f": {"y": pytest.approx(expected)}}


def test_an_answer_that_overflows_is_refused(tmp_path):
    with pytest.raises(ValueError, match="f has y that are not finite in this dtype: try bfloat16"):
        parity_of(tmp_path, [1e5], [np.inf])


def test_another_dtype_is_refused(exported, tmp_path):
    with pytest.raises(ValueError, match="dtype must be one of float32, float16, bfloat16, not 'int8'"):
        exporting.export(exported[0], tmp_path, dtype="int8")


@pytest.mark.slow
def test_xla_compiles_where_it_is_served(exported, signatures, tmp_path):
    paths = exporting.export(exported[0], tmp_path, samples=5, jit_compile=True)
    images = tf.constant(small_images(6))
    compiled = tf.saved_model.load(str(paths["encoder"])).signatures["encode"]
    np.testing.assert_allclose(compiled(x=images)["mean"], signatures["encoder"]["encode"](x=images)["mean"], atol=1e-5)
    done = processes.run(CHECK, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_data_that_are_no_pixels_have_one_form(no_pixels):
    vae, x, _, paths = no_pixels
    served = tf.saved_model.load(str(paths["encoder"])).signatures
    assert set(served) == {"serving_default", "encode", "sample"}
    np.testing.assert_allclose(served["encode"](x=tf.constant(x))["mean"], vae.encode(x).mean(), atol=1e-5)


def test_rescaled_pixels():
    vae = small_vae(preprocessor=preprocessing.Rescale(), likelihood=members.LIKELIHOODS["ContinuousBernoulli"]())
    score = signatures_module.make_signatures(vae, 2, 5, False)["scorer"]["score_image"]
    given = saved_model.make_request(vae, score.specs)
    assert np.isfinite(
        saved_model.compute_answers({"score_image": score.function}, {"score_image": given})["score_image"]["elbo"]
    ).all()


def test_versions_are_numbered_and_never_overwritten(no_pixels, tmp_path):
    vae, _, folder, paths = no_pixels
    assert {path.name for path in paths.values()} == {"1"}
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "encoder" / "7").mkdir()
    assert {path.name for path in exporting.export(vae, tmp_path).values()} == {"8"}
    for name, path in paths.items():
        assert saved_model.checksum(tmp_path / name / "1") == saved_model.checksum(path)


def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    vae, _, _ = linear_gaussian()
    write, written = saved_model.write, []

    def failing(path, *arguments):
        if written:
            raise OSError("disk full")
        written.append(path)
        write(path, *arguments)

    monkeypatch.setattr(saved_model, "write", failing)
    with pytest.raises(OSError, match="disk full"):
        exporting.export(vae, tmp_path)
    assert [name for name in os.listdir(tmp_path) if name != ".lock"] == []


KILLED = """
import sys
from tests.models import linear_gaussian
from tfvae import exporting
vae, _, _ = linear_gaussian()
print("ready", flush=True)
while True:
    exporting.export(vae, sys.argv[1])
"""


@pytest.mark.slow
def test_a_killed_export_leaves_no_part_of_a_version(tmp_path):
    for wait in (0.5, 1.0, 2.0, 3.0, 4.5):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT)
        process.stdout.readline()
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for path in tmp_path.glob("*/*"):
            if path.name.isdigit():
                assert json.loads((path / "model.json").read_text())["sha256"] == saved_model.checksum(path)
    vae, _, _ = linear_gaussian()
    exporting.export(vae, tmp_path)
    assert list(tmp_path.glob(".partial-*")) == []
