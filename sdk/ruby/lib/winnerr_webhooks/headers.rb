# frozen_string_literal: true

module WinnerrWebhooks
  # Looks headers up by name, in any case, and notices those that came more than once.
  #
  # @api private
  class Headers
    # `headers` is a hash or pairs, whose names are those of HTTP or, as in Rack, such as
    # HTTP_WEBHOOK_ID. Other things that a Rack environment holds are left out.
    def initialize(headers)
      @values = Hash.new { |_, _| [] }
      headers.each do |name, values|
        name = name.to_s
        name = name.delete_prefix("HTTP_").tr("_", "-") if name.start_with?("HTTP_")
        texts = Array(values).grep(String).map { |value| value.b.gsub(/\A[ \t]+|[ \t]+\z/, "") }
        @values[name.downcase] += texts
      end
    end

    # Returns every value of a header, as bytes, without the space around it.
    def all(name)
      @values[name.downcase]
    end

    # Returns the first value of a header as text; nil if it is not there.
    def first(name)
      all(name).first&.dup&.force_encoding("UTF-8")&.scrub
    end

    def any?(name)
      !all(name).empty?
    end

    # Returns the value of a header that is there, and that has to be there once.
    def one(name)
      values = all(name)
      raise VerificationError.malformed(name, "there once") if values.length > 1

      values.first
    end
  end
end
