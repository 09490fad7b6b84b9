"""`shapes`: white squares, ellipses and hearts with known factors, drawn as they are read; a TFDS builder."""

from tfvae.shapes.builder import Shapes
from tfvae.shapes.drawing import FACTORS, draw, factors_at

__all__ = ["FACTORS", "Shapes", "draw", "factors_at"]
