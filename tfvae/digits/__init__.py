"""The data set `digits`, a TFDS builder that needs no download: 10,000 training and 2,000 test images of MNIST."""

from tfvae.digits.builder import FILE, Digits

__all__ = ["FILE", "Digits"]
