package verify

// account takes a window down to its cut, in the order of the logs, and moves
// the mark on. It returns whether the sides stand there as the map says.
func (t *tally) account(x *alignment, at pair, m *mark) (asMapped bool) {
	c := &accounting{tally: t, alignment: x, cut: at, mark: m}
	a, b := 0, 0
	for i := range at.a {
		if e := x.ra[i]; e.role == same || e.role == changed {
			c.alones(a, i, b, min(e.mate, at.b))
			c.both(i)
			a, b = i+1, min(e.mate+1, at.b)
		}
	}
	c.alones(a, at.a, b, at.b)
	if x.endB && at.b == x.inB {
		t.explain(Native, x.nativesBehind)
	}
	return c.displaced()
}

// accounting is one window being taken down.
type accounting struct {
	*tally
	*alignment
	cut  pair
	mark *mark
}

// alones takes a stretch in which nothing is aligned.
func (c *accounting) alones(a0, a1, b0, b1 int) {
	for i := a0; i < a1; i++ {
		c.sourceAlone(i)
	}
	for k := b0; k < b1; k++ {
		c.explain(Native, c.b[k].natives)
		c.targetAlone(k)
	}
}

// both takes a record that both sides have.
func (c *accounting) both(i int) {
	a, b := c.a[i], c.b[c.ra[i].mate]
	c.mark.records++
	c.seen(a.key)
	c.explain(Native, b.natives)
	if c.ra[i].role == same {
		c.mark.chains[0] = c.mark.chains[0].then(a.whole)
		return
	}
	f := c.finding(Corrupted, &a, &b)
	f.Fields = difference(a, b)
	f.Kind = kindOf(f.Fields)
	c.add(f)
}

// kindOf names a change by the gravest of the fields that differ.
func kindOf(fields []string) Kind {
	kind := Timestamp
	for _, f := range fields {
		switch f {
		case fieldKey, fieldValue:
			return Corrupted
		case fieldHeaders:
			kind = Headers
		}
	}
	return kind
}

func (c *accounting) sourceAlone(i int) {
	a, e := c.a[i], c.ra[i]
	switch {
	case e.role == moved && c.settled(e.mate, c.cut.b, c.inB):
		c.add(c.finding(Reorder, &a, &c.b[e.mate]))
	case e.role == spare:
		c.explain(e.why, 1)
	case e.role == hole:
		c.explain(TargetCompacted, c.onTarget.add(a.key, c.finding(Loss, &a, nil), a.nullValue))
	default: // the mate of one that was moved behind the cut is still to come
		c.add(c.finding(Loss, &a, nil))
	}
}

func (c *accounting) targetAlone(k int) {
	b, e := c.b[k], c.rb[k]
	switch {
	case e.role == same || e.role == changed: // with a record behind the bound: displaced tells of it
	case e.role == moved && e.mate < c.cut.a: // its origin tells of it
	case e.role == moved && c.settled(e.mate, c.cut.a, c.inA):
		c.add(c.finding(Reorder, &c.a[e.mate], &b))
	case e.role == spare:
		c.explain(e.why, 1)
	case e.role == hole:
		c.explain(SourceCompacted, c.onSource.add(b.key, c.finding(Extra, nil, &b), b.nullValue))
	case e.role == repeated:
		f := c.finding(Duplicate, nil, &b)
		f.Of = &e.of
		c.add(f)
	default:
		c.add(c.unknown(&b))
	}
}

// settled says whether a record is not to be met again: it lies before the cut,
// or behind the bound.
func (c *accounting) settled(index, cut, within int) bool { return index < cut || index >= within }

// unknown describes a target record that nothing explains.
func (c *accounting) unknown(b *print) Finding {
	f := c.finding(Extra, nil, b)
	if c.Map != nil && c.gone(b.offset) {
		f.Kind = Vanished
		f.Source, _ = c.origins.origin(b.offset)
	}
	return f
}
