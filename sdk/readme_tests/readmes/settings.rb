require "winnerr-webhooks-sdk"

new_secret, old_secret = "a new secret", "an old secret"
# SETTINGS
puts webhook.class
