package auth

import (
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func jwt(payload string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
}

// TestTokenEnd: the end of a JSON Web Token is known, that of anything else is not.
func TestTokenEnd(t *testing.T) {
	for token, want := range map[string]int64{jwt(`{"exp":1700000000}`): 1700000000000, jwt(`{"sub":"u","exp":1700000000.5}`): 1700000000500, jwt(`{"exp":17e8}`) + "==": 1700000000000} {
		end, ok := tokenEnd(token)
		require.True(t, ok, token)
		require.Equal(t, want, end.UnixMilli())
	}
	for _, token := range []string{"", "opaque", "a.b", "a.b.c.d", "a.!.c", jwt(`{}`), jwt(`[]`), jwt(`{"exp":"soon"}`), jwt(`{"exp":-1}`), jwt(`{"exp":1e300}`), jwt(`{"exp":null}`)} {
		_, ok := tokenEnd(token)
		require.False(t, ok, token)
	}
}

// TestExpiredTokensAreNotSent: one that ends within the margin is refused here, with its end and where it came from.
func TestExpiredTokensAreNotSent(t *testing.T) {
	end := time.Unix(1700000000, 0)
	token := jwt(fmt.Sprintf(`{"exp":%d}`, end.Unix()))
	require.NoError(t, fresh("file:/t", token, end.Add(-tokenMargin-time.Millisecond)))
	require.NoError(t, fresh("file:/t", "opaque", end))
	for _, now := range []time.Time{end.Add(-tokenMargin), end, end.Add(time.Hour)} {
		require.ErrorContains(t, fresh("file:/t", token, now), "the token of file:/t expired at "+end.Format(time.RFC3339))
	}
	_, _, err := (&SASL{Mechanism: OAuthBearer, Token: Secret(token)}).Client().Start(t.Context())
	var secret *SecretError
	require.ErrorAs(t, err, &secret, "the broker is not asked")
	require.NotContains(t, err.Error(), token)
	_, _, err = (&SASL{Mechanism: OAuthBearer, Token: Secret(jwt(fmt.Sprintf(`{"exp":%d}`, time.Now().Add(time.Hour).Unix())))}).Client().Start(t.Context())
	require.NoError(t, err)
}

// FuzzTokenEnd: no token makes the reader fail, and an end is one that arithmetic on times can bear.
func FuzzTokenEnd(f *testing.F) {
	f.Add(jwt(`{"exp":1700000000}`))
	f.Add("a..b")
	f.Fuzz(func(t *testing.T, token string) {
		if end, ok := tokenEnd(token); ok {
			require.GreaterOrEqual(t, end.Unix(), int64(0))
			require.Less(t, end.Unix(), int64(1)<<41)
		}
	})
}
