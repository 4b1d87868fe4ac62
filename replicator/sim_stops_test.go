package replicator

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// A stop must be true: what it says has happened, to just the offsets that it
// names, and everything before them is copied.

// claimOfStop is what a reason says, and how the simulator knows better.
type claimOfStop struct {
	code   string
	reason *regexp.Regexp
	// untrue says what is wrong about the stop, "" if nothing is.
	untrue func(w *world, o *owner, s *stopping) string
}

var claimsOfStops = []claimOfStop{
	{CodeOutOfRange, regexp.MustCompile(`^the source's retention has removed offsets (\d+) to (\d+) before they were copied$`), (*world).untrueOverrun},
	{CodeDiverged, regexp.MustCompile(`^the source ends at \d+, but records up to \d+ were read from it`), (*world).untrueSourceLoss},
	{CodeDiverged, regexp.MustCompile(`^the source's leader epoch \d+ ended at \d+, but records up to \d+ were read from it`), (*world).untrueSourceLoss},
	{CodeDiverged, regexp.MustCompile(`^the source holds records from offset \d+ on, where there were none when it was read up to \d+`), (*world).untrueAddition},
	{CodeDiverged, regexp.MustCompile(`^the target ends at \d+, but records up to \d+ were acknowledged there: it has lost data`), (*world).untrueTargetLoss},
	{CodeDiverged, regexp.MustCompile(`^the target acknowledged the batch of source offset \d+ at offset \d+, but it is not there: the target has lost data`), (*world).untrueTargetLoss},
	{CodeDiverged, regexp.MustCompile(`^target offset \d+ holds another batch \(.*\) than was there: the target has lost data`), (*world).untrueTargetLoss},
	{CodeForeignWriter, regexp.MustCompile(`producer id \d+ has written to the target at offsets \d+ to \d+`), (*world).untrueForeign},
	{CodeForeignWriter, regexp.MustCompile(`^target offset \d+, written by producer id \d+, holds`), (*world).untrueForeign},
	{CodeDiverged, regexp.MustCompile(`a former owner's late batch stands at target offset (\d+) beside our copy`), (*world).untrueLateness},
	{CodeDiverged, regexp.MustCompile(`^the target holds a batch of ours at offset \d+ .* that was not to be there`), (*world).untrueContradiction},
	{CodeDiverged, regexp.MustCompile(`^target offset \d+, written by producer id \d+, holds`), (*world).untrueContradiction},
	{CodeDiverged, regexp.MustCompile(`^align the target with the source: `), (*world).untrueContradiction},
	{CodeDiverged, regexp.MustCompile(`^enter the batch of source offset \d+ at target offset \d+: `), (*world).untrueContradiction},
	{CodeDiverged, regexp.MustCompile(`^the published offset map is unusable: `), (*world).untrueMap},
	{CodeRefusedBatch, regexp.MustCompile(`^source offset \d+: |^the record at offset \d+|^source: |^the target refuses what stands at source offset \d+`), (*world).untrueRefusal},
	{CodeRecreated, regexp.MustCompile(`^topic t on cluster (source|target) was deleted and created again: `), (*world).untrueRecreation},
}

// stopped judges a stop, lets it be reported and decides what follows.
func (w *world) stopped(o *owner) {
	s := *o.core.stop
	w.tracef("owner %d stops: %s [%d, %d): %s", o.number, s.code, s.from, s.to, s.reason)
	if o.number != w.latest().number { // a later owner judges for itself
		o.core.reported()
		w.kill(o)
		return
	}
	w.judgeStop(o, &s)
	o.core.reported()
	w.stopCount++
	w.cure(o, &s)
}

func (w *world) judgeStop(o *owner, s *stopping) {
	if s.from < s.to && w.givenUp(s.from) && w.givenUp(s.to-1) && s.code == CodeRefusedBatch {
		w.fail("stopped at [%d, %d), which were given up: %v", s.from, s.to, w.losses)
		return
	}
	for _, c := range claimsOfStops {
		if c.code == s.code && c.reason.MatchString(s.reason) {
			if why := c.untrue(w, o, s); why != "" {
				w.fail("untrue stop %s [%d, %d) %q: %s", s.code, s.from, s.to, s.reason, why)
			}
			return
		}
	}
	w.fail("a stop that nobody expects: %s [%d, %d) %q", s.code, s.from, s.to, s.reason)
}

// cure is what an operator does about a stop, now and then: gives up the
// records, lets the topic be copied anew, as a divergence demands, or just tries
// again.
func (w *world) cure(o *owner, s *stopping) {
	switch {
	case w.after == 0 || w.stopCount > 3 || s.code == CodeRecreated && w.source.created != w.sourceID:
		w.over = s.code
	case w.after == 1 && s.code != CodeDiverged:
		w.reached(triedAgain)
		o.restart()
	case s.code == CodeOutOfRange || s.code == CodeRefusedBatch:
		w.losses = append(slices.Clone(w.losses), events.Interval{From: s.from, To: s.to})
		slices.SortFunc(w.losses, func(a, b events.Interval) int { return int(a.From - b.From) })
		w.reached(lossAccepted)
		w.reorder(o)
	default:
		w.target.recreate()
		w.cutTarget()
		w.targetID, w.recopies = w.target.created, w.recopies+1
		w.published, w.targetCuts, w.foreign, w.blocksLost = 0, nil, nil, false
		w.sourceCuts = nil // the present source counts
		w.reached(copiedAnew)
		w.reorder(o)
	}
}

// reorder gives a changed order to the owner at work; former ones are gone.
func (w *world) reorder(o *owner) {
	for _, x := range w.owners {
		if x != o {
			w.kill(x)
		}
	}
	o.obey()
	o.restart()
	w.tracef("ordered: recopies %d, losses %v", w.recopies, w.losses)
}

// numbers are those in a reason.
func numbers(reason string) (all []int64) {
	for _, d := range regexp.MustCompile(`\d+`).FindAllString(reason, -1) {
		var n int64
		_, _ = fmt.Sscan(d, &n) // digits
		all = append(all, n)
	}
	return all
}

// copiedUpTo says what is wrong with the copy below an offset, which the map
// must have reached but for offsets without a record.
func (w *world) copiedUpTo(o *owner, at int64) string {
	end, here := o.core.watermark(), w.present()
	for _, x := range w.archive {
		if end <= x.offset && x.offset < at && x.status == committed && here[x.offset] && !w.givenUp(x.offset) {
			return fmt.Sprintf("the map ends at %d, before a record at %d and where the stop begins", end, x.offset)
		}
	}
	_, err := w.compare(min(end, at))
	switch {
	case err == nil, w.late: // a late copy is a stop of its own, the next one
		return ""
	case errors.Is(err, offsetmap.ErrHole) && (w.lateMap || w.blocksLost): // to be made anew
		return ""
	case errors.Is(err, offsetmap.ErrConflict) && w.lateMap: // that is for the next owner
		return ""
	}
	return err.Error()
}

func (w *world) untrueOverrun(o *owner, s *stopping) string {
	switch {
	case !slices.Contains(w.starts, s.to):
		return fmt.Sprintf("the source never started at %d", s.to)
	case s.from >= s.to:
		return "nothing was removed"
	}
	w.reached(retentionOverrun)
	return w.copiedUpTo(o, s.from)
}

func (w *world) untrueSourceLoss(_ *owner, s *stopping) string {
	for i, c := range w.sourceCuts {
		later := slices.ContainsFunc(w.sourceCuts[i+1:], func(x cut) bool { return x.from < c.from })
		if c.from == s.from && s.from < s.to && s.to <= c.to && !later {
			return ""
		}
	}
	return fmt.Sprintf("no election has removed that: %v", w.sourceCuts)
}

func (w *world) untrueAddition(_ *owner, s *stopping) string {
	if !slices.ContainsFunc(w.sourceCuts, func(c cut) bool { return c.from <= s.from && s.to <= c.to }) || w.originAt(s.from) == nil {
		return fmt.Sprintf("no election has made room there: %v", w.sourceCuts)
	}
	return ""
}

func (w *world) untrueTargetLoss(*owner, *stopping) string {
	if len(w.targetCuts) == 0 && w.target.created == w.targetID {
		return "no election has removed anything that was replicated"
	}
	return ""
}

func (w *world) untrueForeign(_ *owner, s *stopping) string {
	n := numbers(s.reason)
	for _, f := range w.foreign {
		if strings.Contains(s.reason, "has written") && f.from == n[1] && f.to == n[2]+1 || f.from <= n[0] && n[0] < f.to {
			return ""
		}
	}
	return fmt.Sprintf("nobody has written there: %v", w.foreign)
}

func (w *world) untrueLateness(_ *owner, s *stopping) string {
	if !w.late {
		return "no former owner's batch came late"
	}
	return ""
}

// untrueContradiction: the sides contradict each other when a record is there
// twice or one of them has lost some. Of twins nobody can say whether one is the
// image of a record that compaction took, or a second copy of the other; after an
// election, whether it or retention took a record; and after a late map, whether
// what two owners have copied is the same.
func (w *world) untrueContradiction(*owner, *stopping) string {
	lost := len(w.targetCuts) > 0 || len(w.sourceCuts) > 0 || w.target.created != w.targetID || w.source.created != w.sourceID
	expired := len(w.starts) > 1
	trimmed := w.late && w.target.start > 0 // the first copy may be gone
	if lost || trimmed || (w.compacted || expired) && (w.twins || w.lateMap) || expired && w.source.epoch > 0 || w.doubled() {
		return ""
	}
	return "no record is on the target twice, and neither side has lost any"
}

// untrueMap: blocks contradict each other when a former owner has published one
// after the next had read the map, and the two did not see the same: the cleaner
// or retention had taken records meanwhile, on either side, or there are twins.
func (w *world) untrueMap(o *owner, s *stopping) string {
	if w.lateMap && (w.compacted || w.late || w.twins || len(w.starts) > 1 || w.target.start > 0) {
		return ""
	}
	return w.untrueContradiction(o, s)
}

func (w *world) untrueRefusal(o *owner, s *stopping) string {
	for _, b := range w.bad {
		if b.From <= s.from && s.from < s.to && s.to <= b.To {
			if w.late && o.core.watermark() < s.from { // met while a second copy's origin was looked for
				return ""
			}
			return w.copiedUpTo(o, s.from)
		}
	}
	return fmt.Sprintf("these can be copied; those cannot: %v", w.bad)
}

func (w *world) untrueRecreation(*owner, *stopping) string {
	if w.source.created == w.sourceID && w.target.created == w.targetID {
		return "both topics are what they were"
	}
	return ""
}
