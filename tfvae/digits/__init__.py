"""The data set `digits`, a TFDS builder: the first 10,000 training and 2,000 test images of MNIST, without a download."""

from tfvae.digits.builder import FILE, Digits

__all__ = ["FILE", "Digits"]
