package webhooks

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	shortestSecret = 8 // characters
	whsec          = "whsec_"
	whpk           = "whpk_" // begins the public key of a webhook that signs with Ed25519
	whsk           = "whsk_" // and its private key, which no receiver has
)

var (
	paddedBase64 = regexp.MustCompile(`^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$`)
	hexDigest    = regexp.MustCompile(`^[0-9A-Fa-f]{64}$`)
	base64Digest = regexp.MustCompile(`^[A-Za-z0-9+/]{43}=$`)
	otherVersion = regexp.MustCompile(`^[a-z0-9]+,[A-Za-z0-9+/]+={0,2}$`)
	placeholder  = regexp.MustCompile(`\{hex\}|\{base64\}`)
)

// secretKey is a secret, ready to sign with by both schemes.
type secretKey struct {
	body     []byte // of X-Winnerr-Signature: the whole secret
	standard []byte // of webhook-signature: what follows whsec_, decoded
}

// newSecretKey returns an error, which never holds the secret, if no webhook can have it.
func newSecretKey(secret string) (secretKey, error) {
	if err := checkSecret(secret); err != nil {
		return secretKey{}, err
	}
	key := secretKey{body: []byte(secret), standard: []byte(secret)}
	if rest, ok := strings.CutPrefix(secret, whsec); ok {
		decoded, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			return secretKey{}, notBase64()
		}
		key.standard = decoded
	}
	return key, nil
}

func checkSecret(secret string) error {
	length := utf8.RuneCountInString(secret)
	switch rest, ok := strings.CutPrefix(secret, whsec); {
	case secret == "":
		return fmt.Errorf("%w: the secret is empty. Is the variable or file it comes from set?", ErrInvalidSecret)
	case !utf8.ValidString(secret):
		return fmt.Errorf("%w: the secret is not UTF-8. Copy it from the settings page as text", ErrInvalidSecret)
	case strings.ContainsFunc(secret, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		return fmt.Errorf("%w: the secret has a line break or another control character. "+
			"Remove it; a secret read from a file often needs strings.TrimSpace", ErrInvalidSecret)
	case length < shortestSecret:
		return fmt.Errorf("%w: the secret has %d characters, and a webhook's secret has at least %d. "+
			"Copy the whole secret", ErrInvalidSecret, length, shortestSecret)
	case strings.HasPrefix(secret, whsk):
		return fmt.Errorf("%w: this is a private key, which signs. Give the public key, which begins with "+
			"whpk_", ErrInvalidSecret)
	case ok && !paddedBase64.MatchString(rest):
		return notBase64()
	}
	return nil
}

func notBase64() error {
	return fmt.Errorf("%w: what follows whsec_ in the secret is not base64. Copy the whole secret, "+
		"up to the last = sign", ErrInvalidSecret)
}

func (k secretKey) signBody(body []byte) []byte {
	mac := hmac.New(sha256.New, k.body)
	mac.Write(body)
	return mac.Sum(nil)
}

// signStandard returns the text that webhook-signature shows after "v1,".
func (k secretKey) signStandard(id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, k.standard)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// publicKey is the public key of a webhook that signs with Ed25519 (RFC 8032).
type publicKey ed25519.PublicKey

func newPublicKey(text string) (publicKey, error) {
	raw, err := base64.StdEncoding.DecodeString(text[len(whpk):])
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: what follows whpk_ is not the base64 of 32 bytes. Copy the whole public "+
			"key, up to the = sign, from the page of the webhook about signing", ErrInvalidSecret)
	}
	return raw, nil
}

func (k publicKey) verifiesAny(signatures [][]byte, id, timestamp string, body []byte) bool {
	content := append([]byte(id+"."+timestamp+"."), body...)
	for _, signature := range signatures {
		if ed25519.Verify(ed25519.PublicKey(k), content, signature) {
			return true
		}
	}
	return false
}

// readEd25519 returns the signatures in the v1a entries of a webhook-signature.
func readEd25519(value string) [][]byte {
	var found [][]byte
	for _, entry := range strings.Split(value, " ") {
		text, ok := strings.CutPrefix(entry, "v1a,")
		raw, err := base64.StdEncoding.DecodeString(text)
		if ok && err == nil && len(raw) == ed25519.SignatureSize {
			found = append(found, raw)
		}
	}
	return found
}

// signatureFormat is how a product writes the signature of a body: text around {hex} or {base64}.
type signatureFormat struct {
	text, before, after string
	isHex               bool
}

func newSignatureFormat(text string) (signatureFormat, error) {
	found := placeholder.FindAllStringIndex(text, -1)
	if len(found) != 1 {
		return signatureFormat{}, fmt.Errorf("webhooks: the signature format is text with one {hex} or "+
			"{base64} in it, such as sha256={hex}; this is %q", text)
	}
	start, end := found[0][0], found[0][1]
	return signatureFormat{text, text[:start], text[end:], text[start:end] == "{hex}"}, nil
}

func (f signatureFormat) write(digest []byte) string {
	return f.before + f.encode(digest) + f.after
}

// read returns the digest's text in a header's value, and false if the value has another form.
func (f signatureFormat) read(value string) (string, bool) {
	digest, ok := strings.CutPrefix(value, f.before)
	if !ok {
		return "", false
	}
	digest, ok = strings.CutSuffix(digest, f.after)
	if !ok {
		return "", false
	}
	if f.isHex {
		return strings.ToLower(digest), hexDigest.MatchString(digest)
	}
	return digest, base64Digest.MatchString(digest)
}

func (f signatureFormat) encode(digest []byte) string {
	if f.isHex {
		return hex.EncodeToString(digest)
	}
	return base64.StdEncoding.EncodeToString(digest)
}

// readStandard returns the base64 texts of the v1 entries of a webhook-signature. It leaves entries
// of other versions out, and returns false if any entry does not have its form or if there is none.
func readStandard(value string) (texts []string, ok bool) {
	for _, entry := range strings.Split(value, " ") {
		if entry == "" {
			continue
		}
		ok = true
		if text, isV1 := strings.CutPrefix(entry, "v1,"); isV1 && base64Digest.MatchString(text) {
			texts = append(texts, text)
		} else if isV1 || !otherVersion.MatchString(entry) {
			return nil, false
		}
	}
	return texts, ok
}

// anyEqual compares all with all, in a time that does not depend on what matches.
func anyEqual(given, expected []string) bool {
	equal := 0
	for _, one := range given {
		for _, other := range expected {
			equal |= subtle.ConstantTimeCompare([]byte(one), []byte(other))
		}
	}
	return equal == 1
}
