package agent_test

import (
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	zerolog.TimeFieldFormat = zerolog.TimeFormatUnixMs // global, so once, before anything logs
	goleak.VerifyTestMain(m)
}
