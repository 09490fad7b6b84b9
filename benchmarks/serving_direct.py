"""Calls a SavedModel's `encode` in a loop: `python -m benchmarks.serving_direct MODELS SECONDS`.

Prints a JSON list: requests a second, and milliseconds of half and of 99 in 100 of them.
"""

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

if __name__ == "__main__":
    encode = tf.saved_model.load(f"{sys.argv[1]}/encoder/1").signatures["encode"]
    image = np.random.default_rng(0).integers(0, 256, (1, 28, 28, 1)).astype(np.uint8)
    times, end = [], time.perf_counter() + float(sys.argv[2])
    for i in range(10**9):
        start = time.perf_counter()
        {name: output.numpy() for name, output in encode(x=tf.constant(image)).items()}
        if i >= 10:
            times.append(time.perf_counter() - start)
        if start > end:
            break
    half, most = np.percentile(times, [50, 99]) * 1e3
    print(json.dumps([len(times) / sum(times), half, most]))
