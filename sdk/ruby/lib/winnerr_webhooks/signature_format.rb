# frozen_string_literal: true

module WinnerrWebhooks
  # How a product writes the signature of a body: text around {hex} or {base64}.
  #
  # @api private
  class SignatureFormat
    attr_reader :text

    def initialize(text)
      placeholders = text.scan(/\{hex\}|\{base64\}/)
      if placeholders.length != 1
        raise ArgumentError, "signature_format is text with one {hex} or {base64} in it, such as " \
                             "'sha256={hex}'; this is '#{text}'."
      end
      @text = text
      @placeholder = placeholders.first
      @hex = @placeholder == "{hex}"
      @before, @after = text.b.split(@placeholder, 2)
    end

    # Returns the header's value for a digest.
    def write(digest)
      @text.sub(@placeholder) { encode(digest) }
    end

    # Returns the digest's text in a header's value, of bytes; nil if the value has another form.
    def read(value)
      around = @before.bytesize + @after.bytesize
      return if value.bytesize < around || !value.start_with?(@before) || !value.end_with?(@after)

      digest = value.byteslice(@before.bytesize, value.bytesize - around)
      if @hex
        digest.downcase if digest.match?(/\A[0-9A-Fa-f]{64}\z/)
      elsif digest.match?(%r{\A[A-Za-z0-9+/]{43}=\z})
        digest
      end
    end

    def encode(digest)
      @hex ? digest.unpack1("H*") : [digest].pack("m0")
    end
  end
end
