# frozen_string_literal: true

require_relative "helper"
require "bigdecimal"

class WebhookTest < Minitest::Test
  SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
  BODY = '{"event":"deal.created","timestamp":"2025-01-15T14:23:00Z","organizationId":"org_1",' \
         '"data":{"amount":1.10,"huge":1e400,"count":12345678901234567890,"name":"Zoë"}}'
  NOW = 1_736_950_985

  def webhook(*secrets, **options)
    WinnerrWebhooks::Webhook.new(secrets.empty? ? SECRET : secrets, **options)
  end

  def refusal(webhook, body, headers, **options)
    assert_raises(WinnerrWebhooks::VerificationError) { webhook.verify(body, headers, **options) }
  end

  def rack_env(headers)
    env = headers.to_h { |name, value| ["HTTP_#{name.upcase.tr('-', '_')}", value] }
    env.merge("REQUEST_METHOD" => "POST", "rack.input" => StringIO.new, "CONTENT_TYPE" => "application/json")
  end

  # Names count in any case, and may be those of Rack; values may be bytes.
  def test_headers_may_be_of_any_framework
    headers = webhook.sign(BODY)
    [
      headers,
      headers.transform_keys(&:downcase),
      headers.transform_keys(&:to_sym),
      headers.transform_values { |value| [value.b] },
      headers.to_a,
      headers.each,
      rack_env(headers)
    ].each { |given| assert_equal "deal.created", webhook.verify(BODY, given).type }
  end

  # A Rack application gets what it needs from its environment.
  def test_a_rack_application_verifies_a_request
    begin
      require "rack/mock_request"
    rescue LoadError
      begin
        require "rack/mock"
      rescue LoadError
        skip "rack is not installed"
      end
    end
    app = lambda do |env|
      event = webhook.verify(env["rack.input"].read, env)
      [200, {}, [event.type]]
    rescue WinnerrWebhooks::VerificationError => e
      [401, {}, [e.message]]
    end
    request = Rack::MockRequest.new(app)
    signed = rack_env(webhook.sign(BODY))
    signed.delete("rack.input")
    assert_equal "deal.created", request.post("/", signed.merge(:input => BODY)).body
    refused = request.post("/", signed.merge(:input => "#{BODY}\n"))
    assert_equal 401, refused.status
    assert_includes refused.body, "does not match"
  end

  # What the headers say is on the event, and what is not understood is left out.
  def test_headers_are_on_the_event
    globex = webhook(header_prefix: "X-Globex-")
    headers = globex.sign(BODY, event_id: "evt_1", delivery_id: "dlv_1", attempt: 3, test: true)
    event = globex.verify(BODY, headers)
    assert_equal ["evt_1", "dlv_1", "wh_test", 3, true],
                 [event.id, event.delivery_id, event.webhook_id, event.attempt, event.test?]
    assert_in_delta Time.now.to_f, event.signed_at.to_f, 60
    headers["X-Globex-Attempt"] = "many"
    headers.delete("X-Globex-Delivery")
    headers.delete("X-Globex-Test")
    event = globex.verify(BODY, headers)
    assert_equal [nil, nil, false], [event.delivery_id, event.attempt, event.test?]
  end

  # Numbers can be had exactly.
  def test_numbers_can_be_had_exactly
    event = webhook.verify(BODY.b, webhook.sign(BODY))
    assert_equal BigDecimal("1.10"), event.exact_data["amount"]
    assert_equal BigDecimal("1e400"), event.exact_data["huge"]
    assert_equal 12_345_678_901_234_567_890, event.exact_data["count"]
    assert_equal 1.1, event.data["amount"]
    assert_equal "Zoë", event.data["name"]
  end

  # During a rotation, a receiver that knows either secret verifies requests by either scheme.
  def test_during_a_rotation_either_secret_verifies
    both = webhook("the old secret", SECRET).sign(BODY)
    own = both.select { |name, _| name.start_with?("X-") }
    [both, own].each do |headers|
      [["the old secret"], [SECRET], [SECRET, "the old secret"]].each do |known|
        assert_equal "org_1", webhook(*known).verify(BODY, headers).organization_id
      end
      assert_equal :no_match, refusal(webhook("another secret"), BODY, headers).reason
    end
  end

  # A refusal for its time says by how much, and that a clock may be wrong.
  def test_a_refusal_for_its_time_says_by_how_much
    [[-3600, :too_old, "3600 s ago"], [3600, :too_new, "3600 s ahead"]].each do |offset, reason, words|
      headers = webhook.sign(BODY, signed_at: NOW + offset)
      error = refusal(webhook, BODY, headers, now: Time.at(NOW))
      assert_equal reason, error.reason
      assert_match(/#{words}.*clock/, error.message)
    end
  end

  # A request that lacks one header and has another twice is refused for what is missing.
  def test_what_is_missing_comes_before_what_is_there_twice
    headers = webhook.sign(BODY).merge("webhook-id" => %w[evt_1 evt_1])
    assert_equal :malformed_header, refusal(webhook, BODY, headers).reason
    headers.delete("webhook-signature")
    assert_equal :missing_header, refusal(webhook, BODY, headers).reason
  end

  # A body that was parsed is an error that says where the raw one is.
  def test_a_body_that_is_not_the_raw_one_is_an_error
    error = assert_raises(TypeError) { webhook.verify({ "event" => "e" }, {}) }
    assert_includes error.message, "raw_post"
  end

  # A variable that is not set never means "accept everything".
  def test_a_secret_that_cannot_be_right_is_an_error
    [nil, "", [], [SECRET, nil], "not UTF-8 \xff", "a secret\n"].each do |secret|
      assert_raises(WinnerrWebhooks::InvalidSecretError) { WinnerrWebhooks::Webhook.new(secret) }
    end
  end

  # The encoding that the locale gave a secret does not change its key.
  def test_the_encoding_of_a_secret_does_not_count
    headers = webhook("Schlüssel-鍵").sign(BODY)
    ["Schlüssel-鍵".b, "Schlüssel-鍵".encode("UTF-16LE"), "Schlüssel-鍵".dup.force_encoding("US-ASCII")].each do |secret|
      assert_equal "deal.created", webhook(secret).verify(BODY, headers).type
    end
  end

  # Settings that cannot be right are errors that say what is right.
  def test_settings_that_cannot_be_right_are_errors
    ["", "sha256=", "{hex}{base64}", "{HEX}"].each do |format|
      error = assert_raises(ArgumentError) { webhook(signature_format: format) }
      assert_includes error.message, "{hex}"
    end
    assert_raises(ArgumentError) { webhook(tolerance: -1) }
  end

  # A signed body is an event only if it has the keys, kinds and time of a payload.
  def test_a_body_that_is_no_event_is_an_error_of_its_own
    good = '{ "event" : "e" , "timestamp" : "2025-01-15T14:23:00Z" , "organizationId" : "o" , "data" : {} }'
    assert_equal({}, webhook.verify(good, webhook.sign(good)).data)
    [
      ['"event"', '"Event"'], ['"e"', "null"], ['"e"', "7"], ["{}", "[]"], ["{}", "null"], ["00Z", "00+00:00"],
      ["00Z", "00.5Z"], ["00Z", '00Z\n'], ["01-15", "02-30"], ["01-15", "13-01"], ["T14", "T24"],
      ["{}", "{} } {"], ["{}", "{},"], [good, "null"], [good, "7"], [good, ""], ['"o"', "\"\xff\""],
      [good, "\u{feff}#{good}"], ["{}", "#{'[' * 200}#{']' * 200}"]
    ].each do |part, change|
      body = good.sub(part) { change }
      assert_raises(WinnerrWebhooks::InvalidPayloadError, body) { webhook.verify(body, webhook.sign(body)) }
    end
  end

  # What is printed of a webhook or an event holds neither secret nor data.
  def test_inspect_shows_no_secret
    one = webhook("a plain secret")
    refute_includes one.inspect, "plain"
    refute_includes one.verify(BODY, one.sign(BODY)).inspect, "Zo"
  end
end
