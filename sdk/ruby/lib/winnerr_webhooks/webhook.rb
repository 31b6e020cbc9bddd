# frozen_string_literal: true

require "json"
require "openssl"
require "securerandom"

module WinnerrWebhooks
  # Verifies the requests of one webhook.
  class Webhook
    ID = "webhook-id"
    TIMESTAMP = "webhook-timestamp"
    SIGNATURE = "webhook-signature"
    STANDARD = [ID, TIMESTAMP, SIGNATURE].freeze
    private_constant :ID, :TIMESTAMP, :SIGNATURE, :STANDARD

    # `secrets` is the webhook's secret as the settings page shows it, or an array of which any may
    # have signed: give the old and the new one while you rotate. `tolerance` is how many seconds the
    # time of signing may lie in the past or in the future.
    #
    # `header_prefix`, `signature_header` and `signature_format` ({hex} or {base64} with any text
    # around it) are for products that use other names than Winnerr's. With `require_timestamp`,
    # requests that carry X-Winnerr-Signature alone are refused: that scheme signs no time, so it
    # cannot tell a request that is sent again.
    #
    # Raises InvalidSecretError if a secret cannot be right, such as nil for a variable that is not
    # set, and ArgumentError if a setting cannot be right.
    def initialize(secrets, tolerance: 300, header_prefix: "X-Winnerr-", signature_header: nil,
                   signature_format: "sha256={hex}", require_timestamp: false)
      raise InvalidSecretError, "Give at least one secret." if secrets == []
      raise ArgumentError, "tolerance is a number of seconds, 0 or more." if tolerance.negative?

      secrets = [secrets] unless secrets.is_a?(Array)
      @keys = secrets.map { |secret| SecretKey.new(secret) }
      @tolerance = tolerance
      @prefix = header_prefix
      @signature_header = signature_header || "#{header_prefix}Signature"
      @format = SignatureFormat.new(signature_format)
      @require_timestamp = require_timestamp
      freeze
    end

    # Returns the Event of a request that is genuine; raises VerificationError if it is not, and
    # InvalidPayloadError if the signature is right but the body is no event.
    #
    # `body` is the raw body: the bytes as they came, before anything parsed them. `headers` is a hash
    # or pairs, with names in any case; or what Rack and Rails have, `env` and `request.headers`. `now`
    # is the time to judge by, a Time or seconds since 1970, for requests that were stored.
    def verify(body, headers, now: Time.now)
      body = raw(body)
      given = Headers.new(headers)
      if STANDARD.any? { |name| given.any?(name) }
        id, signed_at = verify_standard(body, given, now.to_r)
      else
        verify_own(body, given)
      end
      Event.new(body, given, @prefix, id, signed_at)
    end

    # Returns the headers, a Hash, that the server sends with this body. It is for the tests of
    # receivers: `body` is a whole payload with event, timestamp, organizationId and data.
    #
    # With two secrets, the request is signed as during a rotation, with the first as the old one.
    def sign(body, event_id: "evt_#{SecureRandom.hex(13)}", delivery_id: "dlv_#{SecureRandom.hex(13)}",
             signed_at: Time.now, attempt: 1, test: false)
      timestamp = signed_at.to_i.to_s
      entries = @keys.map { |key| "v1,#{key.sign_standard(event_id, timestamp, body)}" }
      headers = {
        "Content-Type" => "application/json",
        "User-Agent" => "Winnerr-Webhooks/test",
        "#{@prefix}Event" => event_type(body),
        "#{@prefix}Delivery" => delivery_id,
        "#{@prefix}Webhook" => "wh_test",
        "#{@prefix}Attempt" => attempt.to_s,
        @signature_header => @format.write(@keys[0].sign_body(body)),
        ID => event_id,
        TIMESTAMP => timestamp,
        SIGNATURE => entries.join(" ")
      }
      headers["#{@signature_header}-Next"] = @format.write(@keys[1].sign_body(body)) if @keys[1]
      headers["#{@prefix}Test"] = "true" if test
      headers
    end

    # Keeps the secret out of logs.
    def inspect
      "#<#{self.class}>"
    end

    private

    def raw(body)
      return body if body.is_a?(String)

      raise TypeError, "body has to be the raw body of the request, a String, not a #{body.class}. " \
                       "What was parsed cannot be verified: take request.raw_post in Rails, and " \
                       "request.body.read in Rack and Sinatra."
    end

    # Judges by Standard Webhooks; returns the id and the time that were signed.
    def verify_standard(body, headers, now)
      STANDARD.each { |name| missing_standard(name) unless headers.any?(name) }
      id, timestamp, signature = STANDARD.map { |name| headers.one(name) }
      # No full stop: it separates the signed parts, so the text could be split at other places.
      unless id.match?(/\A[A-Za-z0-9_-]{1,255}\z/)
        raise VerificationError.malformed(ID, "an id of letters, digits, _ and -")
      end
      unless timestamp.match?(/\A[0-9]{1,12}\z/)
        raise VerificationError.malformed(TIMESTAMP, "whole seconds since 1970")
      end

      texts = read_standard(signature)
      if texts.empty?
        raise VerificationError.new(
          :no_match,
          "#{SIGNATURE} has no v1 entry, the one kind that a secret verifies. If the webhook signs " \
          "with Ed25519 (v1a), set its signing to hmac."
        )
      end

      expected = @keys.map { |key| key.sign_standard(id, timestamp, body) }
      raise VerificationError.no_match(SIGNATURE) unless any_equal?(texts, expected)

      signed_at = Integer(timestamp, 10)
      check_time(now - signed_at)
      [id.encode("UTF-8"), signed_at]
    end

    # Judges by the product's own header, and by its twin while the secret is rotated.
    def verify_own(body, headers)
      given = [@signature_header, "#{@signature_header}-Next"].select { |name| headers.any?(name) }
      missing_own(given) if given.empty? || @require_timestamp
      texts = given.map do |name|
        @format.read(headers.one(name)) ||
          raise(VerificationError.malformed(name, "of the form #{@format.text}"))
      end
      expected = @keys.map { |key| @format.encode(key.sign_body(body)) }
      raise VerificationError.no_match(@signature_header) unless any_equal?(texts, expected)
    end

    # Returns the base64 texts of the v1 entries. Entries of other versions are left out.
    def read_standard(signature)
      entries = signature.split(" ", -1).reject(&:empty?)
      unless !entries.empty? && entries.all? { |entry| well_formed?(entry) }
        raise VerificationError.malformed(
          SIGNATURE, "entries such as v1,<base64>, with a space between them"
        )
      end
      entries.select { |entry| entry.start_with?("v1,") }.map { |entry| entry.delete_prefix("v1,") }
    end

    def well_formed?(entry)
      if entry.start_with?("v1,")
        entry.match?(%r{\Av1,[A-Za-z0-9+/]{43}=\z})
      else
        entry.match?(%r{\A[a-z0-9]+,[A-Za-z0-9+/]+={0,2}\z})
      end
    end

    def check_time(age)
      return if age.abs <= @tolerance

      seconds = "#{age.abs.round} s #{age.positive? ? 'ago' : 'ahead of this machine'}"
      advice = if age.positive?
                 "If it is right, somebody may be sending an old request again: do not act on it."
               else
                 "If it is right, the sender's clock is wrong."
               end
      raise VerificationError.new(
        age.positive? ? :too_old : :too_new,
        "The signature is right, but the request was signed #{seconds}, and tolerance is " \
        "#{@tolerance} s. Check this machine's clock (NTP). #{advice}"
      )
    end

    def missing_standard(name)
      raise VerificationError.new(
        :missing_header,
        "The request has no #{name}, but it has other webhook-… headers. Look whether a proxy removes " \
        "it. Without a secret the webhook is not signed: set one on the settings page."
      )
    end

    def missing_own(given)
      message =
        if given.empty?
          "The request has neither #{SIGNATURE} nor #{@signature_header}. Does the webhook have a " \
          "secret? If it does, look whether a proxy removes the headers, and whether the product uses " \
          "another header_prefix or signature_header."
        else
          "The request has #{given.first} but no #{TIMESTAMP}, and require_timestamp is set. If the " \
          "sender sends the webhook-… headers, something between removes them."
        end
      raise VerificationError.new(:missing_header, message)
    end

    # Compares all with all, in a time that does not depend on what matches.
    def any_equal?(given, expected)
      given.product(expected).map { |one, other| OpenSSL.secure_compare(one, other) }.any?
    end

    def event_type(body)
      payload = JSON.parse(body)
      payload.is_a?(Hash) ? payload["event"].to_s : "unknown"
    rescue JSON::ParserError, EncodingError # a test may send anything
      "unknown"
    end
  end
end
