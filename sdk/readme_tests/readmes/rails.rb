# Runs the README's controller and its test of a receiver in Rails; the secret is in the environment.
require "logger"
require "action_controller"
require "action_dispatch/testing/integration"
require "winnerr-webhooks-sdk"
require_relative "controller"

ActionController::API.logger = Logger.new($stdout)
routes = ActionDispatch::Routing::RouteSet.new
routes.draw { post "/hooks/winnerr", to: "winnerr#receive" }
WinnerrController.include(routes.url_helpers)

body = $stdin.read
[ENV.fetch("WINNERR_WEBHOOK_SECRET"), "another secret"].each do |secret|
  webhook = WinnerrWebhooks::Webhook.new(secret)
  session = ActionDispatch::Integration::Session.new(routes)
  session.define_singleton_method(:test_receiver) do |webhook, body|
    # TEST
  end
  session.test_receiver(webhook, body)
  puts "Rails #{session.response.status}"
end
