package webhooks

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

type vector struct {
	Name, Description string
	Body              []byte // base64 in the file
	Headers           [][2]string
	Secrets           []string
	Tolerance         float64
	Now               int64
	Options           struct {
		RequireTimestamp                               bool
		HeaderPrefix, SignatureHeader, SignatureFormat string
	}
	Expect struct {
		OK                               bool
		ID                               *string
		SignedAt                         *int64
		Event, Timestamp, OrganizationID string
		Data                             string
		Reason                           Reason
		Error                            string
	}
}

func (v vector) verify() (*Event, error) {
	options := []Option{WithTolerance(time.Duration(v.Tolerance * float64(time.Second)))}
	if v.Options.RequireTimestamp {
		options = append(options, RequireTimestamp())
	}
	if v.Options.HeaderPrefix != "" {
		options = append(options, WithHeaderPrefix(v.Options.HeaderPrefix))
	}
	if v.Options.SignatureHeader != "" {
		options = append(options, WithSignatureHeader(v.Options.SignatureHeader))
	}
	if v.Options.SignatureFormat != "" {
		options = append(options, WithSignatureFormat(v.Options.SignatureFormat))
	}
	webhook, err := New(v.Secrets, options...)
	if err != nil {
		return nil, err
	}
	header := http.Header{} // filled by hand, so that names keep their case
	for _, pair := range v.Headers {
		header[pair[0]] = append(header[pair[0]], pair[1])
	}
	return webhook.VerifyAt(v.Body, header, time.Unix(v.Now, 0))
}

func TestVectors(t *testing.T) {
	text, err := os.ReadFile("../vectors.json")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("vectors.json is in the repository only")
	}
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Version int
		Vectors []vector
		Ed25519 []vector
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if file.Version != 1 || len(file.Vectors) < 150 {
		t.Fatalf("version %d with %d vectors", file.Version, len(file.Vectors))
	}
	for _, v := range append(file.Vectors, file.Ed25519...) {
		t.Run(v.Name, func(t *testing.T) {
			event, err := v.verify()
			checkVector(t, v, event, err)
		})
	}
}

func checkVector(t *testing.T, v vector, event *Event, err error) {
	if err != nil {
		for _, secret := range v.Secrets {
			if secret != "" && strings.Contains(err.Error(), secret) {
				t.Errorf("the message holds the secret: %v", err)
			}
		}
	}
	var refusal *VerificationError
	switch {
	case v.Expect.Reason != "":
		if !errors.As(err, &refusal) || refusal.Reason != v.Expect.Reason {
			t.Fatalf("want %s, got %v", v.Expect.Reason, err)
		}
	case v.Expect.Error != "":
		want := map[string]error{"invalid_secret": ErrInvalidSecret, "invalid_payload": ErrInvalidPayload}[v.Expect.Error]
		if want == nil || !errors.Is(err, want) {
			t.Fatalf("want %s, got %v", v.Expect.Error, err)
		}
	case !v.Expect.OK:
		t.Fatal("the vector expects nothing")
	case err != nil:
		t.Fatal(err)
	default:
		checkEvent(t, v, event)
	}
}

func checkEvent(t *testing.T, v vector, event *Event) {
	wantID, wantSigned := "", time.Time{}
	if v.Expect.ID != nil {
		wantID = *v.Expect.ID
	}
	if v.Expect.SignedAt != nil {
		wantSigned = time.Unix(*v.Expect.SignedAt, 0)
	}
	if event.ID != wantID || !event.SignedAt.Equal(wantSigned) {
		t.Errorf("id %q signed at %v", event.ID, event.SignedAt)
	}
	if event.Type != v.Expect.Event || event.OrganizationID != v.Expect.OrganizationID {
		t.Errorf("event %q of %q", event.Type, event.OrganizationID)
	}
	if got := event.Timestamp.Format(time.RFC3339); got != v.Expect.Timestamp {
		t.Errorf("timestamp %s", got)
	}
	if string(event.Data) != v.Expect.Data {
		t.Errorf("data %.200s", event.Data)
	}
	if !bytes.Equal(event.Body, v.Body) {
		t.Error("the body is another one")
	}
}
