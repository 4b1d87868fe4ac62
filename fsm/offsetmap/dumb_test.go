package offsetmap

import (
	"pgregory.net/rapid"
)

// dumb is the obviously right version: a plain list of copied pairs and two numbers.
type dumb struct {
	begin     Pair
	pairs     []Pair
	watermark int64
}

func (d *dumb) targetEnd() int64 {
	if len(d.pairs) == 0 {
		return d.begin.Target
	}
	return d.pairs[len(d.pairs)-1].Target + 1
}

// translate walks the list: the first pair at or above the position answers.
func (d *dumb) translate(position, logStart int64, from Side) (int64, error) {
	side := func(p Pair) (int64, int64) {
		if from == Target {
			return p.Target, p.Source
		}
		return p.Source, p.Target
	}
	begin, _ := side(d.begin)
	end, otherEnd := side(Pair{Source: d.watermark, Target: d.targetEnd()})
	if position > end {
		return 0, ErrNotYet
	}
	if position < 0 || position < begin && logStart < begin {
		return 0, ErrBelow
	}
	for _, p := range d.pairs {
		if mine, other := side(p); mine >= position {
			return other, nil
		}
	}
	return otherEnd, nil
}

// grow draws a map and the dumb list side by side, through the calls that an owner makes.
func grow(t *rapid.T, begin Pair, steps int) (Map, dumb) {
	m, err := New(begin.Source, begin.Target)
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	d := dumb{begin: begin, watermark: begin.Source}
	for i := 0; i < steps; i++ {
		switch rapid.IntRange(0, 3).Draw(t, "step") {
		case 0: // a gap on the source
			to := m.Watermark() + rapid.Int64Range(0, 4).Draw(t, "gap")
			if err := m.Skip(to); err != nil {
				t.Fatalf("skip: %v", err)
			}
			d.watermark = to
		default: // a copied stretch, seldom with a gap on the target
			shift := max(0, rapid.Int64Range(-6, 3).Draw(t, "shift"))
			r := Run{Source: m.Watermark(), Target: m.TargetEnd() + shift, Count: rapid.Int64Range(1, 5).Draw(t, "count")}
			if err := m.Append(r); err != nil {
				t.Fatalf("append: %v", err)
			}
			for j := range r.Count {
				d.pairs = append(d.pairs, Pair{Source: r.Source + j, Target: r.Target + j})
			}
			d.watermark = r.SourceEnd()
		}
	}
	return m, d
}

func drawBegin(t *rapid.T) Pair {
	return Pair{Source: rapid.Int64Range(0, 5).Draw(t, "source begin"), Target: rapid.Int64Range(0, 5).Draw(t, "target begin")}
}

// cutOut returns the part of m over the source offsets [from, to), begun at from, as an owner would publish it.
func cutOut(t *rapid.T, m *Map, from, to int64) Map {
	at, err := m.Translate(from, 0)
	if err != nil {
		t.Fatalf("cut at %d: %v", from, err)
	}
	out, err := New(from, at.Offset)
	if err != nil {
		t.Fatalf("cut: %v", err)
	}
	for _, r := range m.between(from, to) {
		if err := out.add(r); err != nil {
			t.Fatalf("cut: %v", err)
		}
	}
	if err := out.Skip(to); err != nil {
		t.Fatalf("cut: %v", err)
	}
	return out
}
