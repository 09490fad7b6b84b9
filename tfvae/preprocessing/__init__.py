"""Preprocessors: data as loaded -> x, the event that the likelihood models. They are part of the model, saved with it.

Any Keras layer will do, `keras.layers.Rescaling` and `Normalization` among them. A preprocessor of one's own that says
which data it takes, or draws noise, derives from `Preprocessor`.
"""

from tfvae.preprocessing.base import Preprocessor as Preprocessor  # for one's own: a yaml may name those of `__all__`
from tfvae.preprocessing.pixels import Binarize, Rescale
from tfvae.preprocessing.table import Gaps, Table
from tfvae.preprocessing.view import PreprocessorView as PreprocessorView
from tfvae.preprocessing.view import view_layer as view_layer

__all__ = ["Binarize", "Gaps", "Rescale", "Table"]
