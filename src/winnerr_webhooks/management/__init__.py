"""What customers and operators change: webhooks, their secrets, replays, API keys.

The REST API and the settings page are two faces of these classes: every rule of a change is
here, once, and so is the waking of the node that has to act on it.
"""
