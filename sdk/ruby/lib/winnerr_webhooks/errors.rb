# frozen_string_literal: true

module WinnerrWebhooks
  # The request was not signed with one of the secrets, or not lately. Do not act on it.
  #
  # The message says what it means and what to do. It holds neither a secret nor a signature, so it
  # may be logged and sent back.
  class VerificationError < StandardError
    # One of :missing_header, :malformed_header, :no_match, :too_old and :too_new, as in every SDK.
    attr_reader :reason

    def initialize(reason, message)
      super(message)
      @reason = reason
    end

    # @api private
    def self.malformed(name, form)
      new(:malformed_header,
          "#{name} is not #{form}. Pass the headers as they came; if they are, something on the way " \
          "changed this one, or the request is not from the product.")
    end

    # @api private
    def self.no_match(name)
      new(:no_match,
          "#{name} does not match this body and secret. Most often the body is not the raw one: " \
          "verify the bytes as they came, before anything parses, decodes or trims them. " \
          "Otherwise compare the secret with the one on the settings page, and if it was rotated, " \
          "give both.")
    end
  end

  # No webhook can have this secret. The message says what to do, and does not hold the secret.
  class InvalidSecretError < ArgumentError
  end

  # The signature is right, but the body is not an event. Most often another product signs its
  # requests with the same secret.
  class InvalidPayloadError < StandardError
    def initialize(message)
      super("The signature is right, but #{message}")
    end
  end
end
