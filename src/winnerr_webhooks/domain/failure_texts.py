"""The texts of diagnoses of attempts that got no answer: what is wrong and what to do."""

from typing import Final

from winnerr_webhooks.domain.answer_texts import Diagnosis
from winnerr_webhooks.domain.text import Text

UNKNOWN: Final = Diagnosis(
    Text("The attempt ended without an answer."),
    Text("Check that the receiver is running, then replay the delivery."),
)

FAILURES: Final[dict[tuple[str, str], Diagnosis]] = {
    ("dns", "nxdomain"): Diagnosis(
        Text("There is no host named {host}."),
        Text(
            "Check the URL for a typing error; if the name is new, wait until its DNS entry is "
            "public."
        ),
    ),
    ("dns", "no_addresses"): Diagnosis(
        Text("The name {host} exists, but it has no address."),
        Text("Add an A or AAAA entry for it at your DNS provider, or use another host in the URL."),
    ),
    ("dns", "dns_timeout"): Diagnosis(
        Text("Looking up {host} took too long: its name servers did not answer."),
        Text("Check with your DNS provider that the name servers of this domain are up."),
    ),
    ("dns", ""): Diagnosis(
        Text("The name servers could not answer for {host}."),
        Text("Check the DNS settings of this domain with your DNS provider."),
    ),
    ("blocked", "blocked_address"): Diagnosis(
        Text("The host is not on the public internet, so nothing was sent."),
        Text(
            "Use a host that anyone on the internet can reach; for your own computer, use a tunnel."
        ),
    ),
    ("blocked", "blocked_port"): Diagnosis(
        Text("The URL's port is not allowed, so nothing was sent."),
        Text("Use port 443 (the default of https) or a port from 1024 upward."),
    ),
    ("blocked", "blocked_scheme"): Diagnosis(
        Text("The URL is plain http, so nothing was sent."),
        Text("Use the receiver's https URL."),
    ),
    ("blocked", ""): Diagnosis(
        Text("This destination is not allowed, so nothing was sent."),
        Text("Use an https URL of a host that anyone on the internet can reach."),
    ),
    ("connect", "refused"): Diagnosis(
        Text("The receiver's machine is up, but nothing accepts connections on that port."),
        Text("Check that the receiver is running and that the URL has the right port."),
    ),
    ("connect", "unreachable"): Diagnosis(
        Text("The receiver's machine cannot be reached over the network."),
        Text("Check that the machine is up and that its firewall lets us in."),
    ),
    ("connect", "proxy_could_not"): Diagnosis(
        Text("The outgoing proxy could not connect to the receiver."),
        Text(
            "Check that the receiver is running at {host}, and that its firewall lets the "
            "addresses of this service in."
        ),
    ),
    ("connect", "proxy_refused"): Diagnosis(
        Text("The outgoing proxy of this service refuses to connect to the receiver."),
        Text(
            "The receiver is not the cause. Ask those who run this service to let their proxy "
            "connect to {host}."
        ),
    ),
    ("connect", "proxy_closed"): Diagnosis(
        Text("The outgoing proxy of this service gave no answer."),
        Text("The receiver is not the cause. If it goes on, tell those who run this service."),
    ),
    ("connect", ""): Diagnosis(
        Text("The connection to the receiver failed."),
        Text(
            "Replay the delivery; if that fails too, ask the operator of this service to look "
            "into it."
        ),
    ),
    ("tls", "expired"): Diagnosis(
        Text("The certificate of {host} has expired."),
        Text("Renew it, and set up automatic renewal; after that, deliveries work again."),
    ),
    ("tls", "not_yet_valid"): Diagnosis(
        Text("The certificate of {host} is not valid yet."),
        Text("Install one that is valid today, and check the clock of the machine that made it."),
    ),
    ("tls", "self_signed"): Diagnosis(
        Text("The certificate of {host} is self-signed, so nobody vouches for it."),
        Text("Install one from a public certificate authority, such as Let's Encrypt."),
    ),
    ("tls", "wrong_host"): Diagnosis(
        Text("The certificate is for another host, not for {host}."),
        Text("Use the host name the certificate is for, or get one that includes {host}."),
    ),
    ("tls", "unknown_ca"): Diagnosis(
        Text("The certificate of {host} cannot be traced back to a public certificate authority."),
        Text(
            "Install the whole chain, with the intermediate certificate (often called fullchain), "
            "or get a certificate from a public authority."
        ),
    ),
    ("tls", "not_tls"): Diagnosis(
        Text("The receiver does not speak https on that port."),
        Text("Use the port on which the receiver serves https, or switch https on there."),
    ),
    ("tls", "certificate_required"): Diagnosis(
        Text("The receiver wants a client certificate, and this webhook has none."),
        Text("Give the webhook a client certificate as its authentication, with the private key."),
    ),
    ("tls", "certificate_refused"): Diagnosis(
        Text("The receiver does not accept the client certificate of this webhook."),
        Text(
            "Check there which authorities are trusted, and whether the certificate has expired or "
            "was revoked; then give the webhook one that the receiver accepts."
        ),
    ),
    ("tls", ""): Diagnosis(
        Text("The TLS handshake with the receiver failed."),
        Text(
            "Check that it offers TLS 1.2 or newer; if it asks for a client certificate, give the "
            "webhook one."
        ),
    ),
    ("auth", "invalid_client"): Diagnosis(
        Text("The token endpoint does not accept the client ID or the client secret."),
        Text("Give both again in the webhook's authentication, as the receiver's operator says."),
    ),
    ("auth", "unauthorized_client"): Diagnosis(
        Text("The token endpoint does not let this client use client credentials."),
        Text("Ask the operator of the token endpoint to allow the grant type for the client."),
    ),
    ("auth", "unsupported_grant_type"): Diagnosis(
        Text("The token endpoint does not support client credentials."),
        Text("Check the token URL; if it is right, choose another authentication."),
    ),
    ("auth", "invalid_scope"): Diagnosis(
        Text("The token endpoint does not know the scope, or does not grant it."),
        Text("Correct the scope in the webhook's authentication, or leave it out."),
    ),
    ("auth", "invalid_request"): Diagnosis(
        Text("The token endpoint calls the request for a token invalid."),
        Text("Check the token URL; the endpoint may need a scope, which can be given with it."),
    ),
    ("auth", "token_status"): Diagnosis(
        Text("The token endpoint did not give a token."),
        Text("Check the token URL, and look in the log of the token endpoint for this request."),
    ),
    ("auth", "token_response"): Diagnosis(
        Text("The token endpoint's answer has no token that can be used."),
        Text("Check that the URL is that of the token endpoint, and that it issues bearer tokens."),
    ),
    ("auth", "token_dns"): Diagnosis(
        Text("The host name of the token endpoint was not found."),
        Text("Check the token URL for a typing error, and the DNS settings of its domain."),
    ),
    ("auth", "token_blocked"): Diagnosis(
        Text("The token endpoint is not on the public internet, so it was not asked."),
        Text("Use a token URL that anyone on the internet can reach."),
    ),
    ("auth", "token_connect"): Diagnosis(
        Text("Nothing accepts connections at the token endpoint."),
        Text(
            "Check that it is running, that the token URL is right, and that its firewall lets "
            "us in."
        ),
    ),
    ("auth", "token_tls"): Diagnosis(
        Text("The TLS handshake with the token endpoint failed."),
        Text("Check the certificate of the token endpoint: its name, its dates and its chain."),
    ),
    ("auth", "token_timeout"): Diagnosis(
        Text("The token endpoint did not answer in time."),
        Text("It has half of an attempt's time; check whether it is overloaded."),
    ),
    ("auth", "token_reset"): Diagnosis(
        Text("The token endpoint closed the connection before it answered."),
        Text("Look in the log of the token endpoint for a crash at this time."),
    ),
    ("auth", "token_protocol"): Diagnosis(
        Text("What the token endpoint sent is not an HTTP answer."),
        Text("Check the port of the token URL, and that it speaks HTTP/1.1."),
    ),
    ("auth", ""): Diagnosis(
        Text("There is no token for this request, so nothing was sent."),
        Text("Check the webhook's authentication."),
    ),
    ("timeout", "dns"): Diagnosis(
        Text("Looking up {host} did not finish {limit}."),
        Text("Check with your DNS provider that the name servers of this domain are up."),
    ),
    ("timeout", "connect"): Diagnosis(
        Text("The receiver did not accept the connection {limit}."),
        Text(
            "Check that the machine is up and that its firewall does not silently drop our "
            "requests."
        ),
    ),
    ("timeout", "tls"): Diagnosis(
        Text("The receiver accepted the connection, but did not finish the TLS handshake {limit}."),
        Text("Check that the port serves https and that the machine is not overloaded."),
    ),
    ("timeout", "send"): Diagnosis(
        Text("The receiver did not read the whole request {limit}."),
        Text("Let the receiver read the request's body at once; it may be overloaded."),
    ),
    ("timeout", "wait"): Diagnosis(
        Text("The receiver got the request, but did not answer {limit}."),
        Text("Answer first, work later: store the event, answer 200, and only then process it."),
    ),
    ("timeout", "body"): Diagnosis(
        Text("The receiver began to answer, but did not finish."),
        Text("Answer 200 with a short or empty body, and end it."),
    ),
    ("timeout", ""): Diagnosis(
        Text("The receiver did not answer {limit}."),
        Text("Answer first, work later: store the event, answer 200, and only then process it."),
    ),
    ("reset", "body"): Diagnosis(
        Text("The receiver closed the connection in the middle of its answer."),
        Text(
            "Look in the receiver's log for a crash, and in the proxy in front of it for a limit."
        ),
    ),
    ("reset", "closed_early"): Diagnosis(
        Text("The receiver closed the connection without answering."),
        Text(
            "Look in the receiver's log for a crash at this time; a proxy in front may do it too."
        ),
    ),
    ("reset", ""): Diagnosis(
        Text("The receiver cut the connection before it answered."),
        Text("Look in the receiver's log for a crash; a firewall or proxy in front may do it too."),
    ),
    ("protocol", "bad_status_line"): Diagnosis(
        Text("What came back is not an HTTP answer."),
        Text("Check that the URL's port is the one of a web server, and that it speaks HTTP/1.1."),
    ),
    ("protocol", "bad_header"): Diagnosis(
        Text("One of the answer's headers is malformed."),
        Text("Check which headers the receiver, or a proxy in front of it, sets by hand."),
    ),
    ("protocol", "headers_too_large"): Diagnosis(
        Text("The answer's headers are too large."),
        Text("Keep them below 32 KiB; a webhook's answer needs no cookies."),
    ),
    ("protocol", "too_many_headers"): Diagnosis(
        Text("The answer has too many headers."),
        Text("Send at most 100; a webhook's answer needs hardly any."),
    ),
    ("protocol", "content_length_conflict"): Diagnosis(
        Text("The answer states its length twice, in ways that contradict each other."),
        Text(
            "Let the web server set Content-Length or Transfer-Encoding; do not set them by hand."
        ),
    ),
    ("protocol", "bad_content_length"): Diagnosis(
        Text("The answer's length is not a number."),
        Text("Let the web server set Content-Length; do not set it by hand."),
    ),
    ("protocol", "bad_chunk"): Diagnosis(
        Text("The answer's body does not have the form that its headers announce."),
        Text("Let the web server set Transfer-Encoding; do not set it by hand."),
    ),
    ("protocol", "unexpected_upgrade"): Diagnosis(
        Text("The receiver switched to another protocol, which we did not ask for."),
        Text("Use a URL that takes plain POST requests, not one for WebSockets."),
    ),
    ("protocol", ""): Diagnosis(
        Text("The answer is not valid HTTP."),
        Text("Check what the receiver, and any proxy in front of it, sends back to a POST."),
    ),
}
"""(error kind, code or phase) -> diagnosis; "" is the diagnosis of any other code of that kind.

`{host}` is the URL's host as the customer wrote it, `{limit}` for example "within 10 seconds".
"""
