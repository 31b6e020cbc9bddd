"""What the API says about itself: one table of operations, an OpenAPI document, a page of it."""
