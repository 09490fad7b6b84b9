"""Export VAEs as SavedModels for TensorFlow Serving."""

from tfvae.exporting.servables import export

__all__ = ["export"]
