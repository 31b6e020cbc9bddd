"""What the page answers, one module a group of addresses."""
