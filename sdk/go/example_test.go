package webhooks_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"winnerr.example/webhooks"
)

// A receiver, and its test: Sign makes a request as the server sends it.
func Example() {
	webhook, err := webhooks.New([]string{"a secret for tests"}) // os.Getenv("WINNERR_WEBHOOK_SECRET")
	if err != nil {
		log.Fatal(err)
	}
	receive := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "The body could not be read.", http.StatusBadRequest)
			return
		}
		event, err := webhook.Verify(body, r.Header)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized) // the text says what to do
			return
		}
		if event.Type == "contact.created" {
			var contact struct{ Name, Email string }
			if err := json.Unmarshal(event.Data, &contact); err == nil {
				fmt.Printf("%s <%s>\n", contact.Name, contact.Email)
			}
		}
		w.WriteHeader(http.StatusNoContent)
	}

	body := `{"event":"contact.created","timestamp":"2025-01-15T14:23:00Z","organizationId":"org_abc123",` +
		`"data":{"name":"Jane Smith","email":"jane@example.com"}}`
	request := httptest.NewRequest("POST", "/hooks/winnerr", strings.NewReader(body))
	request.Header = webhook.Sign([]byte(body), webhooks.Delivery{})
	response := httptest.NewRecorder()
	receive(response, request)
	fmt.Println(response.Code)
	// Output:
	// Jane Smith <jane@example.com>
	// 204
}
