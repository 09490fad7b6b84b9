"""A run that is killed again and again, and goes on: `python -m benchmarks.kills`. See docs/distributed.md.

Trains a small VAE without a break; then again, killed by SIGKILL at random moments and gone on with each time: as a
single process, and as two workers, of which the chief or the other is killed. In place of each fourth kill a file of
the newest checkpoint is damaged. Compares what the last checkpoints hold.
"""

import argparse
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).parent.parent
SECONDS = (0.2, 3.0)  # from a new checkpoint to the kill
DAMAGED = 4  # of so many kills one is a damage

__all__ = ["main"]


def main() -> int:
    """Print a line for each kill and each comparison; return 1, the exit status, where weights differ."""
    parser = argparse.ArgumentParser("python -m benchmarks.kills", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=8, help="of the single process, and as many of two workers")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    moments, same = random.Random(options.seed), True
    with tempfile.TemporaryDirectory() as folder:
        for workers, tolerance in ((1, 0.0), (2, 1e-5)):
            whole, broken = (pathlib.Path(folder) / f"{name}-{workers}" for name in ("whole", "broken"))
            _finish(whole, workers, options.epochs)
            for number in range(options.kills):
                if number % DAMAGED == DAMAGED - 1:
                    _damage(broken, moments, number)
                else:
                    _kill(broken, workers, options.epochs, moments, number)
            _finish(broken, workers, options.epochs)
            same &= _compare(broken, whole, workers, options.kills, tolerance)
    return int(not same)


def _start(run: pathlib.Path, workers: int, epochs: int) -> subprocess.Popen:
    command = [sys.executable, "-m", "tfvae.cli", "train", "configs/smoke.yaml", str(run), "--resume"]
    command += ["--set", f"fit.epochs={epochs}", *(["--workers", str(workers)] if workers > 1 else [])]
    with open(_said(run), "wb") as said:
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=said)


def _said(run: pathlib.Path) -> pathlib.Path:
    """Return the file of what the last process wrote to standard error."""
    return run.with_suffix(".said")


def _finish(run: pathlib.Path, workers: int, epochs: int) -> None:
    """Train, or go on, to the end."""
    status = _start(run, workers, epochs).wait()
    if status:
        raise RuntimeError(f"{run.name} ended with status {status}: {_said(run).read_text()}")


def _damage(run: pathlib.Path, moments: random.Random, number: int) -> None:
    """Flip a byte of a file of the newest checkpoint, cut it short, or remove it."""
    files = sorted((run / "checkpoints").glob(f"step-{_step(run)}.*"))
    path = moments.choice(files)
    content = path.read_bytes()
    place = moments.randrange(len(content))
    flipped = content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
    said, left = moments.choice(
        [(f"flipped at {place}", flipped), (f"cut at {place}", content[:place]), ("gone", None)]
    )
    path.unlink()
    if left is not None:
        path.write_bytes(left)
    print(f"in place of kill {number + 1}: {path.name} {said}", flush=True)


def _kill(run: pathlib.Path, workers: int, epochs: int, moments: random.Random, number: int) -> None:
    """Go on with the run and kill a process at a random moment after a new checkpoint."""
    before, process = _step(run), _start(run, workers, epochs)
    while _step(run) == before and process.poll() is None:
        time.sleep(0.05)
    time.sleep(moments.uniform(*SECONDS))
    if process.poll() is not None:
        if process.returncode:
            raise RuntimeError(f"{run.name} ended with status {process.returncode}: {_said(run).read_text()}")
        raise RuntimeError("the run ended before it was killed: more --epochs are needed")
    pid, who = process.pid, "the process"
    if workers > 1:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        pid, who = int(children[number % workers]), ("the chief", "the other worker")[number % workers]
    os.kill(pid, signal.SIGKILL)
    process.wait()
    print(f"{workers} process(es), kill {number + 1}: {who}, last checkpoint at step {_step(run)}", flush=True)


def _step(run: pathlib.Path) -> int:
    """Return the optimizer's step of the last checkpoint, 0 where there is none."""
    steps = [int(path.stem.split("-")[1]) for path in (run / "checkpoints").glob("step-*.index")]
    return max(steps, default=0)


def _compare(run: pathlib.Path, whole: pathlib.Path, workers: int, killed: int, tolerance: float) -> bool:
    """Print how far the last checkpoints of two runs differ; return whether they are the same."""
    import tensorflow as tf

    from tfvae import callbacks

    saved = [callbacks.latest_checkpoint(folder / "checkpoints") for folder in (run, whole)]
    assert saved[0] is not None and saved[1] is not None  # they were trained to their ends
    readers = [tf.train.load_checkpoint(each.path) for each in saved if each is not None]
    names = [name for name in readers[0].get_variable_to_shape_map() if name.startswith(("vae/", "position/"))]
    values = [[reader.get_tensor(name) for name in names] for reader in readers]
    most = max(float(np.max(np.abs(a.astype(np.float64) - b), initial=0)) for a, b in zip(*values, strict=True))
    history = [(folder / "history.csv").read_text().count("\n") for folder in (run, whole)]
    same = most <= tolerance and saved[0].state["epoch"] == saved[1].state["epoch"] and history[0] == history[1]
    print(
        f"{workers} process(es), {killed} kills: step {_step(run)} and {_step(whole)}, {len(names)} variables, "
        f"largest difference {most:.3g} (at most {tolerance:g}): {'the same' if same else 'NOT the same'}",
        flush=True,
    )
    return same


if __name__ == "__main__":
    sys.exit(main())
