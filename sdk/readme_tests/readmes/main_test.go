package main

import (
	"testing"
	"time"

	"winnerr.example/webhooks"
)

func settings(newSecret, oldSecret string) (*webhooks.Webhook, error) {
	// SETTINGS
	return webhook, err
}

func TestTheSettingsAreAccepted(t *testing.T) {
	if _, err := settings("a new secret", "an old secret"); err != nil {
		t.Fatal(err)
	}
}
