"""The pipeline: everything between the API and the receivers, from intake to record."""
