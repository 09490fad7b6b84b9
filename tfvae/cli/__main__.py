"""Run the command: `python -m tfvae.cli`."""

import sys

from tfvae.cli import main

sys.exit(main())
