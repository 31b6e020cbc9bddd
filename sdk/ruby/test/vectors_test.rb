# frozen_string_literal: true

require_relative "helper"
require "bigdecimal"

# Every vector that all SDKs share.
class VectorsTest < Minitest::Test
  FILE = File.expand_path("../../vectors.json", __dir__)
  CONTENT = File.exist?(FILE) ? JSON.parse(File.read(FILE, encoding: "UTF-8")) : nil
  OPTIONS = {
    "headerPrefix" => :header_prefix,
    "signatureHeader" => :signature_header,
    "signatureFormat" => :signature_format,
    "requireTimestamp" => :require_timestamp
  }.freeze

  def test_there_are_vectors
    skip "vectors.json is in the repository only" unless CONTENT
    assert_equal 1, CONTENT["version"]
    assert_operator CONTENT["vectors"].length, :>, 150
  end

  CONTENT&.fetch("vectors")&.each do |vector|
    define_method("test_vector_#{vector['name']}") do
      vector["expect"]["ok"] ? assert_event(vector) : assert_refused(vector)
    end
  end

  def verify(vector)
    options = vector["options"].transform_keys { |name| OPTIONS.fetch(name) }
    webhook = WinnerrWebhooks::Webhook.new(vector["secrets"], tolerance: vector["tolerance"], **options)
    webhook.verify(vector["body"].unpack1("m"), vector["headers"], now: vector["now"])
  end

  def assert_event(vector)
    event = verify(vector)
    expect = vector["expect"]
    signed_at = expect["signedAt"] && Time.at(expect["signedAt"])
    assert_equal [expect["id"], signed_at], [event.id, event.signed_at]
    assert_equal expect.values_at("event", "timestamp", "organizationId"),
                 [event.type, event.timestamp.iso8601, event.organization_id]
    assert_equal JSON.parse(expect["data"]), event.data
    assert_equal JSON.parse(expect["data"], decimal_class: BigDecimal), event.exact_data
    assert_equal vector["body"].unpack1("m"), event.body
  end

  def assert_refused(vector)
    expect = vector["expect"]
    error = assert_raises(WinnerrWebhooks::VerificationError, WinnerrWebhooks::InvalidSecretError,
                          WinnerrWebhooks::InvalidPayloadError) { verify(vector) }
    answer = case error
             when WinnerrWebhooks::VerificationError then error.reason.to_s
             when WinnerrWebhooks::InvalidSecretError then "invalid_secret"
             else "invalid_payload"
             end
    assert_equal expect["reason"] || expect["error"], answer
    vector["secrets"].reject(&:empty?).each { |secret| refute_includes error.message, secret }
  end
end
