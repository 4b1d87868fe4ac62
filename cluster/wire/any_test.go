package wire

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestEveryAPIDecodesAtEveryVersion: what kmsg writes for every response that there is, with the header that Kafka puts
// before it, comes back whole.
func TestEveryAPIDecodesAtEveryVersion(t *testing.T) {
	tags := []byte{1, 99, 2, 'h', 'i'} // one unknown tagged field
	decoded := 0
	for key := int16(0); key <= kmsg.MaxKey; key++ {
		req := kmsg.RequestForKey(key)
		if req == nil {
			continue
		}
		for v := int16(0); v <= req.MaxVersion(); v++ {
			req.SetVersion(v)
			resp := req.ResponseKind()
			body := resp.AppendTo(nil)
			if resp.IsFlexible() && key != apiVersionsKey {
				body = append(append([]byte(nil), tags...), body...)
			}
			got, err := decode(req.ResponseKind(), body)
			require.NoError(t, err, "%s version %d", kmsg.NameForKey(key), v)
			require.Equal(t, key, got.Key())
			require.Equal(t, v, got.GetVersion())
			require.Equal(t, resp.AppendTo(nil), got.AppendTo(nil), "%s version %d", kmsg.NameForKey(key), v)
			decoded++
		}
	}
	require.Greater(t, decoded, 250)
}

func TestDecodeRefusesDamage(t *testing.T) {
	resp := kmsg.NewPtrMetadataResponse()
	resp.Version = 12
	body := append([]byte{0}, resp.AppendTo(nil)...)
	for n := range len(body) - 1 {
		_, err := decode(&kmsg.MetadataResponse{Version: 12}, body[:n])
		require.Error(t, err, "%d bytes", n)
	}
	_, err := decode(&kmsg.MetadataResponse{Version: 12}, []byte{9, 9})
	require.ErrorIs(t, err, errTags)
}

func TestErrorTexts(t *testing.T) {
	cause := errors.New("cause")
	for want, err := range map[string]error{
		"connect b:1: cause":          &DialError{Address: "b:1", Stage: "connect", Err: cause},
		"b:1: cause":                  &ExchangeError{Address: "b:1", Err: cause},
		"cause; b:1: cause":           &SeedError{[]error{cause, &ExchangeError{Address: "b:1", Err: cause}}},
		"PLAIN: cause":                &LoginError{Mechanism: "PLAIN", Err: cause},
		"PLAIN: error code 58: wrong": &LoginError{Mechanism: "PLAIN", Code: 58, Message: "wrong"},
		"PLAIN: error code 33":        &LoginError{Mechanism: "PLAIN", Code: 33},
	} {
		require.Equal(t, want, err.Error())
		if want != "PLAIN: error code 33" && want != "PLAIN: error code 58: wrong" {
			require.ErrorIs(t, err, cause)
		}
	}
}
