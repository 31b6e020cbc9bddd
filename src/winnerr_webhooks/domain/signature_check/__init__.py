"""Why the signature of a request does not match, found by trying what receivers do wrong.

- `signature_checker`  the search: it tries readings of a request until a signature matches
- `signature_claims`   reads the signatures that a request carries
- `body_readings`      the bytes that may have been signed in place of the body
- `body_wrappings`     undoes what made another text of a whole body, such as base64
- `json_styles`        writes JSON as the encoders of other languages do
- `json_restorations`  undoes what a receiver's own encoder changed in JSON
- `signed_texts`       the texts that may have been signed in place of the right one
- `secret_readings`    the secrets that may have been used in place of the given one
- `signature_findings` turns what the search found into mistakes
- `signature_texts`    says what each mistake is and what to change
"""
