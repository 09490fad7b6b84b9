"""Export VAEs as SavedModels for TensorFlow Serving."""

from tfvae.exporting.export import export

__all__ = ["export"]
