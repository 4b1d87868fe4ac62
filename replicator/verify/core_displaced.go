package verify

// displaced reports runs of records that stand elsewhere than the map says. What
// records out of order have shifted on their way is no fault of the map. It
// returns whether the last record before the cut stands as mapped.
func (c *accounting) displaced() (asMapped bool) {
	if c.Map == nil {
		return true
	}
	asMapped = true
	shift, k := int64(0), 0 // by how much records out of order have shifted what is at i and k
	var run Finding
	for i, e := range c.ra[:c.cut.a] {
		if e.role == moved {
			shift--
		}
		if e.role != same && e.role != changed {
			continue
		}
		for ; k < e.mate; k++ {
			if c.rb[k].role == moved {
				shift++
			}
		}
		f := c.finding(Displaced, &c.a[i], &c.b[e.mate])
		asMapped = f.Expected == f.Target
		run = c.extend(run, f, shift)
	}
	c.addRun(run)
	return asMapped
}

// extend makes a run longer by a record, or begins another one.
func (c *accounting) extend(run, f Finding, shift int64) Finding {
	if f.Expected >= 0 && f.Target-f.Expected == shift {
		c.addRun(run)
		return Finding{}
	}
	if run.Records > 0 && (run.Expected < 0) == (f.Expected < 0) && (f.Expected < 0 || run.Target-run.Expected == f.Target-f.Expected) {
		run.Records++
		return run
	}
	c.addRun(run)
	return f
}

// addRun adds a run, to the one before it where it goes on.
func (t *tally) addRun(run Finding) {
	if run.Records == 0 {
		return
	}
	if n := len(t.res.Findings); n > 0 {
		f := &t.res.Findings[n-1]
		if f.Kind == Displaced && f.Source+f.Records == run.Source && f.Target+f.Records == run.Target {
			t.count(Displaced, run.Records)
			f.Records += run.Records
			return
		}
	}
	t.add(run)
}
