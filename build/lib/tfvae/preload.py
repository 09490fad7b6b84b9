"""What the process that forks a search's processes imports: see `workers.renewed`. Importing it does all."""

from tfvae import quiet

__all__ = []

for _name in ("tfvae.training", "tfvae.tuning"):
    quiet.imported(_name)
