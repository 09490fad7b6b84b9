"""tfvae beside its peers, each measurement in its own process: `python -m benchmarks`. See README.md."""
