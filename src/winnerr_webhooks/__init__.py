"""Winnerr Webhooks: a CRM's events, pushed to any URL a customer names."""

__version__ = "0.1.0"
