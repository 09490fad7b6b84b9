"""Check exported SavedModels as TF Serving would load them; needs only TensorFlow: `python export/check.py MODELS`.

Loads each servable's newest version through the v1 Session loader, calls every signature, and compares the answers with
those that the model itself gave when it was exported (`assets.extra/check.npz`). The exit status is 1 where they differ
by more than 1e-5, relative to the larger of 1 and the value; dates are seconds since 1970, other text must be the same.
"""

import argparse
import contextlib
import os
import pathlib
import sys
import tempfile

import numpy as np

TOLERANCE = 1e-5


def newest(servable):
    """Find the folder of the highest version number; raise FileNotFoundError where there is none."""
    versions = [path for path in servable.iterdir() if path.name.isdigit()] if servable.is_dir() else []
    if not versions:
        raise FileNotFoundError(f"{servable} holds no version")
    return max(versions, key=lambda path: int(path.name))


@contextlib.contextmanager
def unless_it_fails():
    """Hold back what is written to stderr, also by TensorFlow's libraries, and show it if the block fails."""
    with tempfile.TemporaryFile() as notes, contextlib.ExitStack() as stack:
        stderr = os.dup(2)
        stack.callback(os.close, stderr)
        stack.callback(os.dup2, stderr, 2)
        os.dup2(notes.fileno(), 2)
        try:
            yield
        except BaseException:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise


def differences(version):
    """Yield (signature, output, shape, largest difference) for each output of each signature; images go in as files.

    Raises:
        ValueError: when check.npz has no inputs for a signature.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with unless_it_fails():
        import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # the Session loader, which TF Serving uses, is deprecated elsewhere
    with np.load(version / "assets.extra" / "check.npz") as file:
        stored = dict(file)
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        loaded = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(version))
        # names with two underscores are TensorFlow's own, for initialisation
        signatures = {name: found for name, found in loaded.signature_def.items() if not name.startswith("__")}
        feed, fetch = {}, {}
        for name, signature in signatures.items():
            missing = [key for key in signature.inputs if f"{name}/inputs/{key}" not in stored]
            if missing:
                raise ValueError(f"{version}: check.npz has no input {missing[0]} of {name}: it is of another export")
            feed |= {tensor.name: stored[f"{name}/inputs/{key}"] for key, tensor in signature.inputs.items()}
            fetch |= {(name, output): tensor.name for output, tensor in signature.outputs.items()}
        answers = session.run(fetch, feed)  # at once: each set of tensors would be another program to optimise
    for (name, output), value in answers.items():
        yield name, output, value.shape, _difference(value, stored[f"{name}/outputs/{output}"])


def _difference(value, expected):
    """Give the largest difference, relative to the larger of 1 and the expected value; infinity for another shape, or
    text."""
    if value.shape != expected.shape:
        return float("inf")
    if np.array_equal(value.astype(object), expected.astype(object)):
        return 0.0
    value, expected = _numbers(value), _numbers(expected)
    if value is None or expected is None:
        return float("inf")
    with np.errstate(invalid="ignore"):  # the same infinity is no difference
        relative = np.abs(value - expected) / np.maximum(1.0, np.abs(expected))
    same = (value == expected) | (np.isnan(value) & np.isnan(expected))  # a cell that is missing is NaN
    return float(np.max(np.where(same, 0.0, relative), initial=0.0))


def _numbers(array):
    """Give an array as numbers: dates, which columns of a table may hold, as seconds since 1970; None of other text."""
    if array.dtype.kind not in "OS":
        return array.astype(np.float64)
    try:
        dates = [np.datetime64(text.decode().removesuffix("Z") or "NaT", "us") for text in array.ravel()]
    except ValueError:
        return None
    return np.array([np.nan if np.isnat(date) else date.astype(np.int64) / 1e6 for date in dates]).reshape(array.shape)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=pathlib.Path, help="folder that holds encoder, decoder and scorer")
    models = parser.parse_args().models
    wrong = 0
    try:
        for servable in ("encoder", "decoder", "scorer"):
            version = newest(models / servable)
            for signature, output, shape, difference in differences(version):
                good = difference <= TOLERANCE  # false for NaN
                wrong += not good
                verdict = "ok" if good else "DIFFERS"
                print(f"{servable}/{version.name} {signature:24} {output:15} {shape!s:18} {difference:.1e} {verdict}")
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}; make one with: tfvae export RUN {models}", file=sys.stderr)
        return 2
    print("all answers are the model's" if not wrong else f"{wrong} answers differ from the model's")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
