"""The handlers of the REST API, except those that accept events: one module for each resource."""
