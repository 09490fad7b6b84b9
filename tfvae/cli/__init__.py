"""The command `tfvae`.

main.py runs a verb and turns errors into one line; verbs.py has the verbs, arguments.py and checks.py what they take,
terminal.py and tables.py what they show. TensorFlow is imported where a verb needs it, so that help is instant.
"""

from tfvae.cli.main import main

__all__ = ["main"]
