"""Everything that people can change: webhooks, their secrets, replays, API keys, page sign-in.

The REST API, the settings page and the command line all use these classes. They check the input,
store the change, and tell the node to act on it.
"""
