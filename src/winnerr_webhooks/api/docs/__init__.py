"""The API's documentation: a table of operations, the OpenAPI document, and an HTML page of it."""
