package consume

import (
	"maps"
	"time"
)

func newSimPart() *simPart {
	return &simPart{times: map[int]int{}, excused: map[int]bool{}, hands: map[*simHand]bool{}}
}

// grow gives the topic that stays another partition, and records in it: the run ends only when somebody has handled them.
func (w *world) grow() {
	p := Partition{Topic: "audit", ID: w.topics["audit"]}
	w.log("%s is added", p)
	w.topics["audit"]++
	w.parts[p] = newSimPart()
	w.produceTo(p)
}

// assigned hands over with which counts an assignment was made, as its leader, and asks for them from then on.
func (a *simAgent) assigned(side Side) {
	m := a.members[side]
	if led := a.led[side]; led != nil {
		a.led[side] = nil
		a.step(Counted{Side: side, Member: m.Status().MemberID, Generation: m.Status().Generation, Counts: led, Made: true})
	}
	a.count(side, m.Status().Generation)
}

// count asks again and again while a generation lasts.
func (a *simAgent) count(side Side, generation int32) {
	a.later(a.w.between(0, 20*time.Millisecond), func() {
		m := a.members[side]
		if m == nil || !m.Status().Assigned || m.Status().Generation != generation {
			return
		}
		counts := map[string]int32{}
		for t, n := range maps.All(a.w.topics) {
			if side == Target {
				t = simTargetName(t)
			}
			counts[t] = n
		}
		in := Counted{Side: side, Member: m.Status().MemberID, Generation: generation, Counts: counts}
		a.later(a.w.between(0, 20*time.Millisecond), func() { a.step(in) })
		a.later(a.w.between(500*time.Millisecond, time.Second), func() { a.count(side, generation) })
	})
}
