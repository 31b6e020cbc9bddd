# frozen_string_literal: true

require_relative "winnerr_webhooks/errors"
require_relative "winnerr_webhooks/event"
require_relative "winnerr_webhooks/headers"
require_relative "winnerr_webhooks/secret_key"
require_relative "winnerr_webhooks/signature_format"
require_relative "winnerr_webhooks/version"
require_relative "winnerr_webhooks/webhook"

# Receive Winnerr Webhooks: verify a request and get an event.
#
#   webhook = WinnerrWebhooks::Webhook.new(ENV["WINNERR_WEBHOOK_SECRET"])
#   event = webhook.verify(request.raw_post, request.headers)
#
# Only the standard library is needed.
module WinnerrWebhooks
end
