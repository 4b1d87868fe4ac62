package replicator

// settling is a wait for the end of a log: until the high watermark has reached
// it. A batch that was sent before the wait began and does not stand below that
// end is not on the target and never will be, unless it is still on its way:
// what is above the high watermark cannot be read yet.
type settling struct {
	end   int64
	begun bool
}

// settled takes the log's end and then the high watermark. The end counts as it
// was first seen, or lower: a new leader may lack what no consumer has seen.
func (s *settling) settled(end, high int64) bool {
	if !s.begun || end < s.end {
		s.begun, s.end = true, end
	}
	return high >= s.end
}
