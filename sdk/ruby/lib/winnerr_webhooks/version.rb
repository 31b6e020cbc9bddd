# frozen_string_literal: true

module WinnerrWebhooks
  VERSION = "0.1.0"
end
