"""What the process that forks a search's processes imports: see `local_processes.renewed`. Importing it does all."""

from tfvae import tensorflow_output

__all__ = []

for _name in ("tfvae.training", "tfvae.tuning"):
    tensorflow_output.import_quietly(_name)
