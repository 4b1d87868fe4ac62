package group

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func valid() Config {
	return Config{Group: "g", Offer: Open(Identity{Kind: KindAgent}, "t")}
}

// TestConfigDefaults: what is left out gets the documented value.
func TestConfigDefaults(t *testing.T) {
	c := valid()
	require.NoError(t, c.Validate())
	require.Equal(t, time.Second, c.Heartbeat)
	require.Equal(t, 10*time.Second, c.Session)
	require.Equal(t, 30*time.Second, c.Rebalance)
	require.Equal(t, 3*time.Second, c.Margin)
}

// TestConfigSaysWhatIsWrong: each mistake names field, value and fix.
func TestConfigSaysWhatIsWrong(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"Config.Group is empty":                    func(c *Config) { c.Group = "" },
		"a duration is negative":                   func(c *Config) { c.Backoff = -1 },
		"brokers refuse more than 30m0s":           func(c *Config) { c.Session = time.Hour },
		"at least three heartbeats":                func(c *Config) { c.Session = 2 * time.Second },
		"the margin must be shorter":               func(c *Config) { c.Margin = time.Minute },
		"leaves no time to drain":                  func(c *Config) { c.Rebalance = 2 * time.Second },
		"Offer.Type is empty":                      func(c *Config) { c.Offer.Type = "" },
		"Offer.Protocols is empty":                 func(c *Config) { c.Offer.Protocols = nil },
		"Offer.Identity.Kind is empty":             func(c *Config) { c.Offer.Identity.Kind = "" },
		`has "sticky", for which there is no assi`: func(c *Config) { c.Offer.Protocols = []string{"portage", "sticky"} },
	} {
		c := valid()
		change(&c)
		require.ErrorContains(t, c.Validate(), want)
		_, err := NewCore(c)
		require.ErrorContains(t, err, want)
	}
	c := valid()
	c.Offer.Protocols, c.Assignors = []string{"sticky"}, map[string]Assign{"sticky": AssignPortage}
	require.NoError(t, c.Validate())
}

// TestOffersCannotBeChangedFromOutside: a core keeps copies of what it is given.
func TestOffersCannotBeChangedFromOutside(t *testing.T) {
	who := Identity{Kind: KindAgent, Wants: Partitions{"t": {1}}}
	cfg := Config{Group: "g", Offer: Closed(who, "t")}
	core, err := NewCore(cfg)
	require.NoError(t, err)
	cfg.Offer.Topics[0] = "changed"
	who.Wants["t"][0] = 7
	require.Equal(t, []string{"t"}, core.Status().Offer.Topics)
	require.Equal(t, Partitions{"t": {1}}, core.Status().Offer.Identity.Wants)
}

// TestCodeErrors: a code matches its own sentinel only, and says its fix.
func TestCodeErrors(t *testing.T) {
	for code, sentinel := range map[int16]error{22: ErrGeneration, 23: ErrStranger, 25: ErrUnknownMember, 27: ErrRebalance, 82: ErrFenced} {
		err := fmt.Errorf("wrapped: %w", &CodeError{Op: "join", Group: "g", Code: code})
		require.ErrorIs(t, err, sentinel)
		for _, other := range []error{ErrGeneration, ErrStranger, ErrUnknownMember, ErrRebalance, ErrFenced, ErrNotMember} {
			require.Equal(t, other == sentinel, errors.Is(err, other), "%d is %v", code, other)
		}
		require.False(t, passing(code), "%d is a decision", code)
	}
	require.Equal(t, `join: group "g": GROUP_AUTHORIZATION_FAILED (30): grant READ on the group to this principal`, (&CodeError{"join", "g", 30}).Error())
	require.Equal(t, `join: group "g": error code 4711`, (&CodeError{"join", "g", 4711}).Error())
	for _, code := range []int16{-1, 7, 14, 15, 16} {
		require.True(t, passing(code), "%d passes by itself", code)
	}
	for _, code := range []int16{3, 12, 28, 29, 30} {
		require.False(t, passing(code), "%d does not pass by itself", code)
	}
}

// TestLeaseHolds: up to, not including, its end; the zero lease never.
func TestLeaseHolds(t *testing.T) {
	now := time.Now()
	require.False(t, Lease{}.Holds(now))
	l := Lease{Sent: now, For: time.Second}
	require.True(t, l.Holds(now.Add(999*time.Millisecond)))
	require.False(t, l.Holds(now.Add(time.Second)))
}

// TestCommittedErrors: one error for each partition that is not committed.
func TestCommittedErrors(t *testing.T) {
	c := Committed{Results: []Result{{Offset: Offset{Partition: Partition{"t", 1}, At: 5}}, {Offset: Offset{Partition: Partition{"t", 2}, At: 6}, Code: 22}}}
	require.ErrorIs(t, c.Err("g"), ErrGeneration)
	require.EqualError(t, c.Err("g"), `t/2 at 6: commit offsets: group "g": ILLEGAL_GENERATION (22)`)
	c.Results[1].Code = 0
	require.NoError(t, c.Err("g"))
}
