package webhooks

import (
	"errors"
	"fmt"
)

// Reason is one word that says why a request was refused. The words are the same in every SDK.
type Reason string

const (
	MissingHeader   Reason = "missing_header"
	MalformedHeader Reason = "malformed_header"
	NoMatch         Reason = "no_match"
	TooOld          Reason = "too_old"
	TooNew          Reason = "too_new"
)

// ErrInvalidSecret is wrapped by what [New] returns for a secret that no webhook can have.
var ErrInvalidSecret = errors.New("webhooks: invalid secret")

// ErrInvalidPayload is wrapped by what [Webhook.Verify] returns when the signature is right but the
// body is not an event. Most often another product signs its requests with the same secret.
var ErrInvalidPayload = errors.New("webhooks: invalid payload")

// VerificationError says that a request was not signed with one of the secrets, or not lately. Do
// not act on such a request. The text says what to do. It holds neither a secret nor a signature, so
// it may be logged and sent back.
type VerificationError struct {
	Reason  Reason
	Message string
}

// Error returns the message.
func (e *VerificationError) Error() string { return e.Message }

func refuse(reason Reason, format string, args ...any) *VerificationError {
	return &VerificationError{reason, fmt.Sprintf(format, args...)}
}

func malformed(name, form string) *VerificationError {
	return refuse(MalformedHeader, "%s is not %s. Pass the headers as they came; if they are, "+
		"something on the way changed this one, or the request is not from the product.", name, form)
}

func noMatch(name string) *VerificationError {
	return refuse(NoMatch, "%s does not match this body and secret. Most often the body is not the "+
		"raw one: verify the bytes as they came, before anything parses, decodes or trims them. "+
		"Otherwise compare the secret with the one on the settings page, and if it was rotated, "+
		"give both.", name)
}
