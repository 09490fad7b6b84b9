"""Tables: reading and writing them, splits of their rows, and the schema of columns that travels with a model."""

from tfvae.tables.column import Column
from tfvae.tables.errors import TableError
from tfvae.tables.memory import is_table_in_memory as is_table_in_memory
from tfvae.tables.reading import chunks, read
from tfvae.tables.schema import Schema
from tfvae.tables.sources import is_named_table as is_named_table
from tfvae.tables.splits import split
from tfvae.tables.writing import Writer

__all__ = ["Column", "Schema", "TableError", "Writer", "chunks", "read", "split"]
