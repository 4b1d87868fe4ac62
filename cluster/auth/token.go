package auth

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// tokenMargin is what a token must have left to log in with. Brokers end a session together with its token, without an
// answer to the request that comes next; and for a few more seconds (sasl.oauthbearer.clock.skew.seconds) they take one
// that is over and say that its session has no end.
const tokenMargin = time.Second

// ExpiredError says that a token is over by the clock of this machine, so no broker was asked.
type ExpiredError struct {
	Token Secret // where it came from
	At    time.Time
}

// Error is error.
func (e *ExpiredError) Error() string {
	return fmt.Sprintf("the token of %s expired at %s: renew it, or mend this machine's clock", e.Token, e.At.Format(time.RFC3339))
}

// fresh refuses a token that is over or about to be.
func fresh(from Secret, token string, now time.Time) error {
	if end, ok := tokenEnd(token); ok && !now.Add(tokenMargin).Before(end) {
		return &ExpiredError{Token: from, At: end}
	}
	return nil
}

// tokenEnd reads when a JSON Web Token ends (RFC 7519, claim exp). Of other tokens nothing is known.
func tokenEnd(token string) (end time.Time, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return time.Time{}, false
	}
	var claims struct {
		Exp *float64 `json:"exp"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Exp == nil || *claims.Exp < 0 || *claims.Exp > 1<<40 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(*claims.Exp * 1000)), true
}
