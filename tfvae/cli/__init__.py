"""The command `tfvae`: command.py has its verbs, arguments.py what they take, terminal.py what they show."""

from tfvae.cli.command import main

__all__ = ["main"]
