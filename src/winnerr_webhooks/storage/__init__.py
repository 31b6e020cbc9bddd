"""The storage port, and its adapters beside it."""
