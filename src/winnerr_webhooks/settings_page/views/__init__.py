"""The views of the settings page: one module for each page. Each lists its handlers in `ROUTES`."""
