// Package webhooks verifies the requests of Winnerr Webhooks.
//
//	webhook, err := webhooks.New([]string{secret})
//	event, err := webhook.Verify(rawBody, request.Header)
//
// Only the standard library is needed.
package webhooks

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	idHeader        = "webhook-id"
	timestampHeader = "webhook-timestamp"
	signatureHeader = "webhook-signature"
)

var (
	standardHeaders = []string{idHeader, timestampHeader, signatureHeader}

	// eventID has no full stop: it separates the signed parts, so the text could be split elsewhere.
	eventID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)
	seconds = regexp.MustCompile(`^[0-9]{1,12}$`)
)

// Webhook verifies the requests of one webhook. It is safe for use by many goroutines.
type Webhook struct {
	keys             []secretKey
	publicKeys       []publicKey
	tolerance        time.Duration
	prefix           string
	signatureHeader  string
	format           signatureFormat
	requireTimestamp bool
}

// Option is a setting for [New].
type Option func(*settings)

type settings struct {
	tolerance        time.Duration
	prefix           string
	signatureHeader  string
	signatureFormat  string
	requireTimestamp bool
}

// WithTolerance sets how far the time of signing may lie in the past or in the future. The default
// is 5 minutes.
func WithTolerance(tolerance time.Duration) Option {
	return func(s *settings) { s.tolerance = tolerance }
}

// WithHeaderPrefix sets what the names of the product's own headers begin with, in place of
// "X-Winnerr-".
func WithHeaderPrefix(prefix string) Option {
	return func(s *settings) { s.prefix = prefix }
}

// WithSignatureHeader sets the exact name of the product's own signature header, in place of the
// prefix and "Signature".
func WithSignatureHeader(name string) Option {
	return func(s *settings) { s.signatureHeader = name }
}

// WithSignatureFormat sets how that header is written: {hex} or {base64} with any text around it,
// in place of "sha256={hex}".
func WithSignatureFormat(format string) Option {
	return func(s *settings) { s.signatureFormat = format }
}

// RequireTimestamp refuses requests that carry X-Winnerr-Signature alone. That scheme signs no time,
// so it cannot tell a request that is sent again.
func RequireTimestamp() Option {
	return func(s *settings) { s.requireTimestamp = true }
}

// New returns a Webhook for the secret that the settings page shows. Give the old and the new secret
// while you rotate: either of them may have signed a request. In place of a secret, give the public
// key (whpk_…) of a webhook that signs with Ed25519.
//
// The error wraps [ErrInvalidSecret] if a secret cannot be right, so that a variable that is not set
// never means "accept everything".
func New(secrets []string, options ...Option) (*Webhook, error) {
	set := settings{tolerance: 5 * time.Minute, prefix: "X-Winnerr-", signatureFormat: "sha256={hex}"}
	for _, option := range options {
		option(&set)
	}
	if len(secrets) == 0 {
		return nil, fmt.Errorf("%w: give at least one secret", ErrInvalidSecret)
	}
	if set.tolerance < 0 {
		return nil, errors.New("webhooks: the tolerance is negative; it is a duration of 0 or more")
	}
	format, err := newSignatureFormat(set.signatureFormat)
	if err != nil {
		return nil, err
	}
	webhook := &Webhook{
		tolerance: set.tolerance, prefix: set.prefix, signatureHeader: set.signatureHeader,
		format: format, requireTimestamp: set.requireTimestamp,
	}
	if webhook.signatureHeader == "" {
		webhook.signatureHeader = set.prefix + "Signature"
	}
	for _, secret := range secrets {
		if strings.HasPrefix(secret, whpk) {
			key, err := newPublicKey(secret)
			if err != nil {
				return nil, err
			}
			webhook.publicKeys = append(webhook.publicKeys, key)
			continue
		}
		key, err := newSecretKey(secret)
		if err != nil {
			return nil, err
		}
		webhook.keys = append(webhook.keys, key)
	}
	return webhook, nil
}

// String keeps the secret out of logs.
func (w *Webhook) String() string { return "webhooks.Webhook" }

// GoString keeps the secret out of logs.
func (w *Webhook) GoString() string { return w.String() }

// Verify returns the event of a request that is genuine, and a [*VerificationError] if it is not.
//
// body is the raw body: the bytes as they came, before anything parsed them. The error wraps
// [ErrInvalidPayload] if the signature is right but the body is no event.
func (w *Webhook) Verify(body []byte, header http.Header) (*Event, error) {
	return w.VerifyAt(body, header, time.Now())
}

// VerifyAt is Verify for a request that was stored: now is the time to judge by.
func (w *Webhook) VerifyAt(body []byte, header http.Header, now time.Time) (*Event, error) {
	var id string
	var signedAt time.Time
	var refusal *VerificationError
	if anyPresent(header, standardHeaders) {
		id, signedAt, refusal = w.verifyStandard(body, header, now)
	} else {
		refusal = w.verifyOwn(body, header)
	}
	if refusal != nil {
		return nil, refusal
	}
	event, err := readEvent(body)
	if err != nil {
		return nil, err
	}
	event.ID, event.SignedAt = id, signedAt
	event.readHeaders(header, w.prefix)
	return event, nil
}

// verifyStandard judges by Standard Webhooks, and returns the id and the time that were signed.
func (w *Webhook) verifyStandard(body []byte, header http.Header, now time.Time) (string, time.Time, *VerificationError) {
	fail := func(refusal *VerificationError) (string, time.Time, *VerificationError) {
		return "", time.Time{}, refusal
	}
	var given [3]string
	for _, name := range standardHeaders {
		if len(valuesOf(header, name)) == 0 {
			return fail(refuse(MissingHeader, "The request has no %s, but it has other webhook-… headers. "+
				"Look whether a proxy removes it. Without a secret the webhook is not signed: set one on "+
				"the settings page.", name))
		}
	}
	for i, name := range standardHeaders {
		values := valuesOf(header, name)
		if len(values) > 1 {
			return fail(malformed(name, "there once"))
		}
		given[i] = values[0]
	}
	id, timestamp, signature := given[0], given[1], given[2]
	if !eventID.MatchString(id) {
		return fail(malformed(idHeader, "an id of letters, digits, _ and -"))
	}
	if !seconds.MatchString(timestamp) {
		return fail(malformed(timestampHeader, "whole seconds since 1970"))
	}
	texts, ok := readStandard(signature)
	if !ok {
		return fail(malformed(signatureHeader, "entries such as v1,<base64>, with a space between them"))
	}
	signatures := readEd25519(signature)
	var expected []string
	for _, key := range w.keys {
		expected = append(expected, key.signStandard(id, timestamp, body))
	}
	matches := anyEqual(texts, expected)
	for _, key := range w.publicKeys {
		matches = matches || key.verifiesAny(signatures, id, timestamp, body)
	}
	switch {
	case matches:
	case len(w.publicKeys) == 0 && len(texts) == 0:
		return fail(refuse(NoMatch, "%s has no v1 entry, the one kind that a secret verifies. If the "+
			"webhook signs with Ed25519 (v1a), give the public key (whpk_…) of its page.", signatureHeader))
	case len(w.keys) == 0 && len(signatures) == 0:
		return fail(refuse(NoMatch, "%s has no v1a entry, the one kind that a public key verifies. If the "+
			"webhook signs with HMAC (v1), give its secret.", signatureHeader))
	default:
		return fail(noMatch(signatureHeader))
	}
	unix, _ := strconv.ParseInt(timestamp, 10, 64) // at most 12 digits
	signedAt := time.Unix(unix, 0).UTC()
	if refusal := w.checkTime(signedAt, now); refusal != nil {
		return fail(refusal)
	}
	return id, signedAt, nil
}

// verifyOwn judges by the product's own header, and by its twin while the secret is rotated.
func (w *Webhook) verifyOwn(body []byte, header http.Header) *VerificationError {
	var given []string
	for _, name := range []string{w.signatureHeader, w.signatureHeader + "-Next"} {
		if anyPresent(header, []string{name}) {
			given = append(given, name)
		}
	}
	if len(given) == 0 {
		return refuse(MissingHeader, "The request has neither %s nor %s. Does the webhook have a secret? "+
			"If it does, look whether a proxy removes the headers, and whether the product uses another "+
			"header prefix or signature header.", signatureHeader, w.signatureHeader)
	}
	if w.requireTimestamp {
		return refuse(MissingHeader, "The request has %s but no %s, and RequireTimestamp is set. If the "+
			"sender sends the webhook-… headers, something between removes them.", given[0], timestampHeader)
	}
	var texts, expected []string
	for _, name := range given {
		values := valuesOf(header, name)
		if len(values) > 1 {
			return malformed(name, "there once")
		}
		text, ok := w.format.read(values[0])
		if !ok {
			return malformed(name, "of the form "+w.format.text)
		}
		texts = append(texts, text)
	}
	for _, key := range w.keys {
		expected = append(expected, w.format.encode(key.signBody(body)))
	}
	if !anyEqual(texts, expected) {
		return noMatch(w.signatureHeader)
	}
	return nil
}

func (w *Webhook) checkTime(signedAt, now time.Time) *VerificationError {
	age := now.Sub(signedAt) // of times 292 years apart, the longest duration there is
	if age >= -w.tolerance && age <= w.tolerance {
		return nil
	}
	reason, when := TooOld, "ago"
	advice := "If it is right, somebody may be sending an old request again: do not act on it."
	if age < 0 {
		reason, when = TooNew, "ahead of this machine"
		advice = "If it is right, the sender's clock is wrong."
	}
	return refuse(reason, "The signature is right, but the request was signed %.0f s %s, and the "+
		"tolerance is %g s. Check this machine's clock (NTP). %s",
		math.Abs(age.Seconds()), when, w.tolerance.Seconds(), advice)
}

// valuesOf returns every value of a header, whatever the case of its name, without the space around.
func valuesOf(header http.Header, name string) []string {
	var found []string
	for key, values := range header {
		if strings.EqualFold(key, name) {
			for _, value := range values {
				found = append(found, strings.Trim(value, " \t"))
			}
		}
	}
	return found
}

func anyPresent(header http.Header, names []string) bool {
	for _, name := range names {
		if len(valuesOf(header, name)) > 0 {
			return true
		}
	}
	return false
}
