# frozen_string_literal: true

require_relative "winnerr_webhooks"
