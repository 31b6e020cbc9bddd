"""The settings page: what customers see of the product, at /settings/webhooks."""
