"""The TFDS builder of `digits`."""

import pathlib

import numpy as np
import tensorflow_datasets as tfds

__all__ = ["FILE", "Digits"]

FILE = pathlib.Path(__file__).with_name("digits.npz")


class Digits(tfds.core.GeneratorBasedBuilder):
    """Real handwritten digits: `image` uint8 [28, 28, 1], grey, and `label` 0..9; splits `train` and `test`."""

    name = "digits"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The first 10,000 training and 2,000 test images of MNIST."}

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description="The first 10,000 training and 2,000 test images of MNIST.",
            features=tfds.features.FeaturesDict(
                {"image": tfds.features.Image(shape=(28, 28, 1)), "label": tfds.features.ClassLabel(num_classes=10)}
            ),
            supervised_keys=("image", "label"),
            homepage="https://yann.lecun.com/exdb/mnist/",
            license="CC BY-SA 3.0",
            citation="LeCun, Cortes, Burges: The MNIST database of handwritten digits, 1998",
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        return {split: self._generate_examples(split) for split in ("train", "test")}

    def _generate_examples(self, split):
        with np.load(FILE) as arrays:
            images, labels = arrays[split], arrays[f"{split}_label"]
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield index, {"image": image[:, :, None], "label": int(label)}
