package webhooks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

var body = []byte(`{"event":"deal.created","timestamp":"2025-01-15T14:23:00Z","organizationId":"org_1",` +
	`"data":{"amount":1.10,"huge":1e400,"count":12345678901234567890}}`)

func mustNew(t *testing.T, secrets []string, options ...Option) *Webhook {
	t.Helper()
	webhook, err := New(secrets, options...)
	if err != nil {
		t.Fatal(err)
	}
	return webhook
}

func reasonOf(err error) Reason {
	var refusal *VerificationError
	if errors.As(err, &refusal) {
		return refusal.Reason
	}
	return ""
}

// A request that went through a real HTTP server is verified with what the handler is given.
func TestARequestOfARealServerIsVerified(t *testing.T) {
	webhook := mustNew(t, []string{secret})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		event, err := webhook.Verify(raw, r.Header)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, event.Type, event.ID)
	}))
	defer server.Close()
	for _, test := range []struct {
		body []byte
		want string
	}{{body, "200 deal.createdevt_1"}, {append([]byte(" "), body...), "401 webhook-signature does not match"}} {
		request, _ := http.NewRequest("POST", server.URL, bytes.NewReader(test.body))
		request.Header = webhook.Sign(body, Delivery{EventID: "evt_1"})
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if got := fmt.Sprint(response.StatusCode, " ", string(answer)); !strings.HasPrefix(got, test.want) {
			t.Errorf("want %q, got %q", test.want, got)
		}
	}
}

// What the headers say is on the event.
func TestHeadersAreOnTheEvent(t *testing.T) {
	webhook := mustNew(t, []string{secret}, WithHeaderPrefix("X-Globex-"))
	header := webhook.Sign(body, Delivery{EventID: "evt_1", DeliveryID: "dlv_1", Attempt: 3, Test: true})
	event, err := webhook.Verify(body, header)
	if err != nil {
		t.Fatal(err)
	}
	if event.ID != "evt_1" || event.DeliveryID != "dlv_1" || event.WebhookID != "wh_test" ||
		event.Attempt != 3 || !event.Test || time.Since(event.SignedAt) > time.Minute {
		t.Errorf("%+v", event)
	}
	header.Set("X-Globex-Attempt", "many")
	header.Del("X-Globex-Delivery")
	header.Del("X-Globex-Test")
	event, err = webhook.Verify(body, header)
	if err != nil || event.Attempt != 0 || event.DeliveryID != "" || event.Test {
		t.Errorf("%+v, %v", event, err)
	}
}

// Numbers can be had exactly: Data is the text that the emitter wrote.
func TestNumbersCanBeHadExactly(t *testing.T) {
	webhook := mustNew(t, []string{secret})
	event, err := webhook.Verify(body, webhook.Sign(body, Delivery{}))
	if err != nil {
		t.Fatal(err)
	}
	var data struct{ Amount, Huge, Count json.Number }
	if err := json.Unmarshal(event.Data, &data); err != nil {
		t.Fatal(err)
	}
	if data.Amount != "1.10" || data.Huge != "1e400" || data.Count != "12345678901234567890" {
		t.Errorf("%+v", data)
	}
}

// During a rotation, a receiver that knows either secret verifies requests by either scheme.
func TestDuringARotationEitherSecretVerifies(t *testing.T) {
	header := mustNew(t, []string{"the old secret", secret}).Sign(body, Delivery{})
	own := http.Header{}
	for _, name := range []string{"X-Winnerr-Signature", "X-Winnerr-Signature-Next"} {
		own.Set(name, header.Get(name))
	}
	for _, known := range [][]string{{"the old secret"}, {secret}, {secret, "the old secret"}} {
		for _, given := range []http.Header{header, own} {
			if _, err := mustNew(t, known).Verify(body, given); err != nil {
				t.Errorf("%v", err)
			}
		}
	}
	if _, err := mustNew(t, []string{"another secret"}).Verify(body, own); reasonOf(err) != NoMatch {
		t.Errorf("%v", err)
	}
}

// A refusal for its time says by how much, and that a clock may be wrong.
func TestARefusalForItsTimeSaysByHowMuch(t *testing.T) {
	webhook := mustNew(t, []string{secret})
	now := time.Now()
	for _, test := range []struct {
		signedAt time.Time
		reason   Reason
		words    string
	}{
		{now.Add(-time.Hour), TooOld, "3600 s ago"},
		{now.Add(time.Hour), TooNew, "3600 s ahead"},
		{time.Unix(999999999999, 0), TooNew, "ahead"}, // further than a time.Duration holds
		{time.Unix(0, 0), TooOld, "ago"},
	} {
		_, err := webhook.VerifyAt(body, webhook.Sign(body, Delivery{SignedAt: test.signedAt}), now.Truncate(time.Second))
		if reasonOf(err) != test.reason || !strings.Contains(err.Error(), "clock") {
			t.Errorf("want %s, got %v", test.reason, err)
		} else if test.signedAt.Sub(now).Abs() < 2*time.Hour && !strings.Contains(err.Error(), test.words) {
			t.Errorf("want %q, got %v", test.words, err)
		}
	}
}

// A request that lacks one header and has another twice is refused for what is missing.
func TestWhatIsMissingComesBeforeWhatIsThereTwice(t *testing.T) {
	webhook := mustNew(t, []string{secret})
	header := webhook.Sign(body, Delivery{})
	header.Add("webhook-id", "evt_2")
	if _, err := webhook.Verify(body, header); reasonOf(err) != MalformedHeader {
		t.Errorf("%v", err)
	}
	header.Del("webhook-signature")
	if _, err := webhook.Verify(body, header); reasonOf(err) != MissingHeader {
		t.Errorf("%v", err)
	}
}

// Settings that cannot be right are errors that say what is right.
func TestSettingsThatCannotBeRightAreErrors(t *testing.T) {
	for _, format := range []string{"", "sha256=", "{hex}{base64}", "{HEX}"} {
		if _, err := New([]string{secret}, WithSignatureFormat(format)); err == nil || !strings.Contains(err.Error(), "{hex}") {
			t.Errorf("%q: %v", format, err)
		}
	}
	if _, err := New([]string{secret}, WithTolerance(-1)); err == nil || errors.Is(err, ErrInvalidSecret) {
		t.Errorf("%v", err)
	}
	if _, err := New([]string{"not UTF-8 \xff"}); !errors.Is(err, ErrInvalidSecret) {
		t.Errorf("%v", err)
	}
}

// A signed body is an event only if its keys, kinds and time are exactly those of a payload.
func TestABodyThatIsNoEventIsAnErrorOfItsOwn(t *testing.T) {
	webhook := mustNew(t, []string{secret})
	const good = `{ "event" : "e" , "timestamp" : "2025-01-15T14:23:00Z" , "organizationId" : "o" , "data" : {} }`
	if event, err := webhook.Verify([]byte(good), webhook.Sign([]byte(good), Delivery{})); err != nil || string(event.Data) != "{}" {
		t.Fatalf("%+v, %v", event, err)
	}
	for _, change := range [][2]string{
		{`"event"`, `"Event"`}, {`"e"`, `null`}, {`"e"`, `7`}, {`{}`, `[]`}, {`{}`, `null`}, {`"o"`, `{}`},
		{"00Z", "00+00:00"}, {"00Z", "00.5Z"}, {"2025-01", "2025-13"}, {"{}", "{} } {"}, {"{}", "{},"}, {good, "null"}, {good, ""},
		{`"o"`, "\"\xff\""},
	} {
		bad := []byte(strings.Replace(good, change[0], change[1], 1))
		if _, err := webhook.Verify(bad, webhook.Sign(bad, Delivery{})); !errors.Is(err, ErrInvalidPayload) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// Printing a Webhook does not print its secret.
func TestPrintingDoesNotShowTheSecret(t *testing.T) {
	webhook := mustNew(t, []string{"a plain secret"})
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, webhook); got != "webhooks.Webhook" {
			t.Errorf("%s: %s", format, got)
		}
	}
}
