"""What fits a VAE: checks of its parts, its data, its conditions and its latents, with errors that name both sides."""

from tfvae.compatibility.data import batch_data, check_data
from tfvae.compatibility.errors import NotApplicable, unwrap_errors
from tfvae.compatibility.parts import bounds_of_x, check_adapted, check_format, check_parts, decoder_input
from tfvae.compatibility.protocol import Loaded, VAELike
from tfvae.compatibility.rows import as_numbers, fill_frame, fill_gaps, is_frame
from tfvae.compatibility.shapes import (
    check_dtype,
    check_event,
    check_latents,
    drop_weights,
    split_pair,
    to_condition,
    unpack_batch,
)
from tfvae.compatibility.streams import watch, watch_batches
from tfvae.compatibility.values import check_batch, check_examples, spread_condition

__all__ = [
    "Loaded",
    "NotApplicable",
    "VAELike",
    "as_numbers",
    "batch_data",
    "bounds_of_x",
    "check_adapted",
    "check_batch",
    "check_data",
    "check_dtype",
    "check_event",
    "check_examples",
    "check_format",
    "check_latents",
    "check_parts",
    "decoder_input",
    "drop_weights",
    "fill_frame",
    "fill_gaps",
    "is_frame",
    "split_pair",
    "spread_condition",
    "to_condition",
    "unpack_batch",
    "unwrap_errors",
    "watch",
    "watch_batches",
]
