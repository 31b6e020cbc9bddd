"""The product's own catalogue: its file, the schemas in it, and documents made from it."""
