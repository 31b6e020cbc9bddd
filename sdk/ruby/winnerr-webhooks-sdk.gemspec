# frozen_string_literal: true

require_relative "lib/winnerr_webhooks/version"

Gem::Specification.new do |spec|
  spec.name = "winnerr-webhooks-sdk"
  spec.version = WinnerrWebhooks::VERSION
  spec.summary = "Verify the requests of Winnerr Webhooks. No dependencies."
  spec.authors = ["The Winnerr Webhooks team"]
  spec.license = "Apache-2.0"
  spec.required_ruby_version = ">= 3.0"
  spec.files = Dir["lib/**/*.rb", "README.md", "LICENSE"]
  spec.metadata = { "rubygems_mfa_required" => "true" }
end
