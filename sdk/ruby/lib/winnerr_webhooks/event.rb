# frozen_string_literal: true

require "json"
require "time"

module WinnerrWebhooks
  # Something that happened, as a verified request tells it.
  class Event
    TIME = /\A(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})Z\z/
    private_constant :TIME

    # Such as "contact.created".
    attr_reader :type

    # When it happened, a Time in UTC.
    attr_reader :timestamp

    attr_reader :organization_id

    # The data, a Hash with names as strings. See also #exact_data.
    attr_reader :data

    # The raw body that was verified.
    attr_reader :body

    # "evt_…", the same on every delivery of this event. It was signed. nil if the request had no
    # webhook-… headers.
    attr_reader :id

    # When this attempt was signed, a Time. nil if the request had no webhook-… headers.
    attr_reader :signed_at

    # "dlv_…", the same on every attempt and replay. This and what follows come from headers that are
    # not signed: use them to find things in logs and to drop repeats, not to decide what somebody
    # may do.
    attr_reader :delivery_id

    # "wh_…", the webhook that this was sent for.
    attr_reader :webhook_id

    # 1 for the first attempt.
    attr_reader :attempt

    # Parses a verified body.
    #
    # @api private
    def initialize(body, headers, prefix, id, signed_at)
      @body = body.dup.freeze
      read_payload
      @id = id
      @signed_at = signed_at && Time.at(signed_at).utc
      @delivery_id = headers.first("#{prefix}Delivery")
      @webhook_id = headers.first("#{prefix}Webhook")
      attempt = headers.first("#{prefix}Attempt")
      @attempt = Integer(attempt, 10) if attempt&.match?(/\A[0-9]{1,9}\z/)
      @test = headers.first("#{prefix}Test") == "true"
      freeze
    end

    # Whether somebody pressed *Send test event*.
    def test?
      @test
    end

    # Returns `data` with every digit of its numbers: BigDecimal where they are not whole. `data` itself
    # has floats, in which 1e400 is infinite and 1.10 is 1.1.
    #
    # Needs bigdecimal, a part of Ruby that, from 3.4 on, is named in the Gemfile.
    def exact_data
      require "bigdecimal"
      JSON.parse(json, decimal_class: BigDecimal)["data"]
    end

    # Keeps personal data out of logs.
    def inspect
      "#<#{self.class} #{type} #{id}>"
    end

    private

    def json
      @body.dup.force_encoding("UTF-8")
    end

    def read_payload
      payload = parse
      unless payload.is_a?(Hash)
        raise InvalidPayloadError, "the body is not a JSON object."
      end

      @type, timestamp, @organization_id, @data =
        payload.values_at("event", "timestamp", "organizationId", "data")
      unless [@type, timestamp, @organization_id].all?(String) && @data.is_a?(Hash)
        raise InvalidPayloadError, "the body lacks event, timestamp, organizationId or data."
      end

      @timestamp = read_time(timestamp)
    end

    def parse
      raise InvalidPayloadError, "the body is not UTF-8." unless json.valid_encoding?

      JSON.parse(json)
    rescue JSON::ParserError, JSON::NestingError # whose messages may hold the body
      raise InvalidPayloadError, "the body is not JSON."
    end

    def read_time(text)
      found = TIME.match(text)
      time = found && Time.utc(*found.captures.map { |digits| Integer(digits, 10) })
      return time if time&.iso8601 == text # Time.utc turns 30 February into 2 March

      raise ArgumentError
    rescue ArgumentError
      raise InvalidPayloadError, "its timestamp is not: it is no time such as 2025-01-15T14:23:00Z."
    end
  end
end
