# frozen_string_literal: true

require "openssl"

module WinnerrWebhooks
  # A secret, ready to sign with by both schemes.
  #
  # @api private
  class SecretKey
    SHORTEST = 8
    WHSEC = "whsec_"
    BASE64 = %r{\A(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\z}
    private_constant :SHORTEST, :WHSEC, :BASE64

    def initialize(secret)
      secret = utf8(secret)
      check(secret)
      @whole = secret.b
      @standard = secret.start_with?(WHSEC) ? secret.delete_prefix(WHSEC).unpack1("m") : @whole
    end

    # Returns the digest, as bytes, that X-Winnerr-Signature shows.
    def sign_body(body)
      OpenSSL::HMAC.digest("SHA256", @whole, body)
    end

    # Returns the base64 text that webhook-signature shows after "v1,".
    def sign_standard(event_id, timestamp, body)
      content = "#{event_id}.#{timestamp}.".b << body.b
      [OpenSSL::HMAC.digest("SHA256", @standard, content)].pack("m0")
    end

    # Keeps the secret out of logs.
    def inspect
      "#<#{self.class}>"
    end

    private

    # The locale, not the secret, decides what encoding a text from the environment claims to have.
    def utf8(secret)
      return secret if secret.nil?
      unless secret.is_a?(String)
        raise TypeError, "A secret is a String, as the settings page shows it, not a #{secret.class}."
      end

      claims_no_letters = [Encoding::BINARY, Encoding::US_ASCII].include?(secret.encoding)
      claims_no_letters ? secret.dup.force_encoding("UTF-8") : secret.encode("UTF-8")
    rescue EncodingError
      raise not_utf8
    end

    def check(secret)
      if secret.nil? || secret.empty?
        raise InvalidSecretError, "The secret is empty. Is the variable or file it comes from set?"
      end
      raise not_utf8 unless secret.valid_encoding?

      if secret.match?(/[\x00-\x1f\x7f]/)
        raise InvalidSecretError, "The secret has a line break or another control character. " \
                                  "Remove it; a secret read from a file often needs .strip."
      end
      if secret.length < SHORTEST
        raise InvalidSecretError, "The secret has #{secret.length} characters, and a webhook's secret " \
                                  "has at least #{SHORTEST}. Copy the whole secret."
      end
      return unless secret.start_with?(WHSEC) && !secret.delete_prefix(WHSEC).match?(BASE64)

      raise InvalidSecretError, "What follows whsec_ in the secret is not base64. Copy the whole " \
                                "secret, up to the last = sign."
    end

    def not_utf8
      InvalidSecretError.new("The secret is not UTF-8. Copy it from the settings page as text.")
    end
  end
end
