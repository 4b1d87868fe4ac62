package commands

import (
	"fmt"
	"strings"

	"github.com/portage-kafka/portage/events"
)

// Refused is a command that does not fit. Nothing was appended, unless
// Appended says so: then the log has moved on between judging and appending,
// and the event stands there with its refusal.
type Refused struct {
	Migration string        `json:"migration"`
	Type      events.Type   `json:"type"`
	Stream    events.Stream `json:"stream"`
	// Reason says why, with the values.
	Reason string `json:"reason"`
	// Possible are the commands that the stream would accept now.
	Possible []events.Type `json:"possible,omitempty"`
	Appended bool          `json:"appended,omitempty"`
}

// Error says why, and what would be possible instead, as it is typed.
func (r *Refused) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s is refused: %s", r.Type, r.Stream, r.Reason)
	if len(r.Possible) > 0 {
		typed := make([]string, len(r.Possible))
		for i, t := range r.Possible {
			typed[i] = typedAs(t, r.Migration, r.Stream)
		}
		fmt.Fprintf(&b, " (possible now: %s)", strings.Join(typed, ", "))
	}
	if r.Appended {
		b.WriteString("; others were faster: it stands in the log and changes nothing")
	}
	return b.String()
}

// typedAs is the command line that sends a command; a type without one stands
// for itself.
func typedAs(t events.Type, migration string, stream events.Stream) string {
	verbs := map[events.Type]string{
		(events.StartRequested{}).EventType(): "start", (events.PauseRequested{}).EventType(): "pause", (events.ResumeRequested{}).EventType(): "resume",
		(events.Approved{}).EventType(): "approve", (events.CompleteRequested{}).EventType(): "complete", (events.CancelRequested{}).EventType(): "cancel",
		(events.RetryRequested{}).EventType(): "retry", (events.RecopyRequested{}).EventType(): "recopy", (events.LossAccepted{}).EventType(): "accept-loss",
		(events.AbortRequested{}).EventType(): "abort", (events.SwitchRequested{}).EventType(): "switch",
	}
	verb, ok := verbs[t]
	name := word(stream.Name())
	ofTopic := stream.Kind() == events.OfTopic
	switch {
	case !ok:
		return string(t)
	case stream == events.MigrationStream:
		return fmt.Sprintf("portage %s %s", verb, migration)
	case verb == "accept-loss":
		return fmt.Sprintf("portage accept-loss %s %s PARTITION --reason WHY", migration, name)
	case verb == "abort" && ofTopic:
		return fmt.Sprintf("portage abort %s --topic %s", migration, name)
	case verb == "abort":
		return fmt.Sprintf("portage abort %s --group %s", migration, name)
	case verb == "switch" && ofTopic:
		verb = "switch writers"
	case verb == "switch":
		verb = "switch readers"
	}
	return fmt.Sprintf("portage %s %s %s", verb, migration, name)
}

// word writes a name as one word of a shell: groups may be called anything.
func word(name string) string {
	if !strings.ContainsFunc(name, special) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

func special(r rune) bool {
	plain := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-/:@%+=,", r)
	return !plain
}
