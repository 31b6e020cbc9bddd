module winnerr.example/webhooks

go 1.21
