"""Imports what the processes of a search need, in the one that forks them (`fresh_process`); importing this does it."""

from tfvae import tensorflow_output

__all__ = []

for _name in ("tfvae.training", "tfvae.tuning"):
    tensorflow_output.import_quietly(_name)
