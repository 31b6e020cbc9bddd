package webhooks

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"
)

// Delivery says what [Webhook.Sign] writes into the headers. Each field that is zero has a default.
type Delivery struct {
	EventID    string    // a random "evt_…"
	DeliveryID string    // a random "dlv_…"
	SignedAt   time.Time // now
	Attempt    int       // 1
	Test       bool
}

// Sign returns the headers that the server sends with this body. It is for the tests of receivers:
// body is a whole payload with event, timestamp, organizationId and data. With two secrets, the
// request is signed as during a rotation, with the first secret as the old one.
func (w *Webhook) Sign(body []byte, delivery Delivery) http.Header {
	if delivery.EventID == "" {
		delivery.EventID = randomID("evt_")
	}
	if delivery.DeliveryID == "" {
		delivery.DeliveryID = randomID("dlv_")
	}
	if delivery.SignedAt.IsZero() {
		delivery.SignedAt = time.Now()
	}
	if delivery.Attempt == 0 {
		delivery.Attempt = 1
	}
	eventType := "unknown" // a test may send anything
	if event, err := readEvent(body); err == nil {
		eventType = event.Type
	}
	timestamp := strconv.FormatInt(delivery.SignedAt.Unix(), 10)
	header := http.Header{}
	header.Set("Content-Type", "application/json")
	header.Set("User-Agent", "Winnerr-Webhooks/test")
	header.Set(w.prefix+"Event", eventType)
	header.Set(w.prefix+"Delivery", delivery.DeliveryID)
	header.Set(w.prefix+"Webhook", "wh_test")
	header.Set(w.prefix+"Attempt", strconv.Itoa(delivery.Attempt))
	if delivery.Test {
		header.Set(w.prefix+"Test", "true")
	}
	header.Set(idHeader, delivery.EventID)
	header.Set(timestampHeader, timestamp)
	name, entries := w.signatureHeader, ""
	for i, key := range w.keys {
		if i < 2 {
			header.Set(name, w.format.write(key.signBody(body)))
			name += "-Next"
		}
		if i > 0 {
			entries += " "
		}
		entries += "v1," + key.signStandard(delivery.EventID, timestamp, body)
	}
	header.Set(signatureHeader, entries)
	return header
}

func randomID(prefix string) string {
	var random [13]byte
	if _, err := rand.Read(random[:]); err != nil {
		panic(err) // the operating system has no randomness
	}
	return prefix + hex.EncodeToString(random[:])
}
