"""The data set `shapes`, a TFDS builder: white squares, ellipses and hearts with known factors, drawn when read."""

from tfvae.shapes.builder import Shapes
from tfvae.shapes.drawing import FACTORS, draw, factors_at

__all__ = ["FACTORS", "Shapes", "draw", "factors_at"]
