package webhooks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"
)

// Event is something that happened, as a verified request tells it.
type Event struct {
	// Type is such as "contact.created".
	Type string
	// Timestamp is when it happened, in UTC.
	Timestamp      time.Time
	OrganizationID string
	// Data is the JSON object as it came, with every digit of its numbers.
	Data json.RawMessage

	// ID is "evt_…", the same on every delivery of this event. It was signed. It is empty if the
	// request had no webhook-… headers.
	ID string
	// SignedAt is when this attempt was signed. It is zero if the request had no webhook-… headers.
	SignedAt time.Time

	// DeliveryID is "dlv_…", the same on every attempt and replay. This and the fields below come from
	// headers that are not signed: use them to find things in logs and to drop repeats, not to decide
	// what somebody may do. A field is zero if its header is not there.
	DeliveryID string
	// WebhookID is "wh_…", the webhook that this was sent for.
	WebhookID string
	// Attempt is 1 for the first attempt.
	Attempt int
	// Test says that somebody pressed "Send test event".
	Test bool

	// Body is the raw body that was verified.
	Body []byte
}

var (
	wholeSeconds = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`)
	digits       = regexp.MustCompile(`^[0-9]{1,9}$`)
)

// readEvent parses a verified body.
func readEvent(body []byte) (*Event, error) {
	if !utf8.Valid(body) {
		return nil, fmt.Errorf("%w: the signature is right, but the body is not UTF-8", ErrInvalidPayload)
	}
	var payload map[string]json.RawMessage
	if err := json.Unmarshal(body, &payload); err != nil {
		return nil, fmt.Errorf("%w: the signature is right, but the body is not a JSON object: %w", ErrInvalidPayload, err)
	}
	event := &Event{Data: payload["data"], Body: body}
	var timestamp string
	whole := isText(payload["event"], &event.Type) &&
		isText(payload["timestamp"], &timestamp) &&
		isText(payload["organizationId"], &event.OrganizationID) &&
		len(event.Data) > 0 && event.Data[0] == '{'
	if !whole {
		return nil, fmt.Errorf("%w: the signature is right, but the body lacks event, timestamp, "+
			"organizationId or data", ErrInvalidPayload)
	}
	happenedAt, err := time.Parse(time.RFC3339, timestamp)
	if err != nil || !wholeSeconds.MatchString(timestamp) {
		return nil, fmt.Errorf("%w: the signature is right, but its timestamp is not: %.40q is not a time "+
			"such as 2025-01-15T14:23:00Z", ErrInvalidPayload, timestamp)
	}
	event.Timestamp = happenedAt
	return event, nil
}

// isText reads a JSON string; null is none.
func isText(value json.RawMessage, text *string) bool {
	return len(value) > 0 && value[0] == '"' && json.Unmarshal(value, text) == nil
}

// readHeaders takes what the headers say; it leaves out what it does not understand.
func (e *Event) readHeaders(header http.Header, prefix string) {
	first := func(name string) string {
		if values := valuesOf(header, prefix+name); len(values) > 0 {
			return values[0]
		}
		return ""
	}
	e.DeliveryID, e.WebhookID = first("Delivery"), first("Webhook")
	e.Test = first("Test") == "true"
	if attempt := first("Attempt"); digits.MatchString(attempt) {
		e.Attempt, _ = strconv.Atoi(attempt)
	}
}
