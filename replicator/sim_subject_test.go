package replicator

import (
	"strconv"

	"github.com/portage-kafka/portage/cluster/batch"
)

// modelSubject answers the table with the model.
type modelSubject struct {
	log  *partitionLog
	pids int64
	now  int64
	// follower is the log end of a follower that was stopped.
	follower int64
}

func newModelSubject(now int64) *modelSubject { return &modelSubject{pids: 1000, now: now} }

func (s *modelSubject) topic(configs map[string]string) {
	s.log = newTarget()
	s.log.clock = s.now
	s.log.maxBytes, _ = strconv.Atoi(configs["max.message.bytes"])
	s.log.segmentMS, _ = strconv.ParseInt(configs["segment.ms"], 10, 64)
	s.log.compacted = configs["cleanup.policy"] == "compact"
	s.log.appendTime = configs["message.timestamp.type"] == "LogAppendTime"
}

func (s *modelSubject) producerID(bool) int64 {
	s.pids++
	return s.pids
}

func (s *modelSubject) send(b batch.Batch, o sendOptions) answer {
	if o.txn {
		return answer{base: s.log.addTransactional(b)}
	}
	a, until := s.log.accept(b)
	if a.code == 0 && o.acks < 0 && s.log.high() < until {
		a.code = 7
	}
	return a
}

func (s *modelSubject) endTransaction(pid int64, commit bool) { s.log.endTransaction(pid, commit) }

func (s *modelSubject) serve(from int64, size int, committed bool) fetched {
	return s.log.serve(from, size, committed)
}

func (s *modelSubject) ends() logEnds {
	return logEnds{start: s.log.start, end: s.log.end, high: s.log.high(), stable: s.log.stable()}
}

func (s *modelSubject) epochEnd(epoch int32) (int64, bool) {
	return s.log.epochEnd(epoch), epoch >= s.log.epoch
}

func (s *modelSubject) restart(bool)  { s.log.restart() }
func (s *modelSubject) expire()       { s.log.expire() }
func (s *modelSubject) trim(to int64) { s.log.trim(to) }
func (s *modelSubject) clean(int)     { s.log.clean() }

func (s *modelSubject) recreate() bool {
	before := s.log.created
	s.log.recreate()
	return s.log.created == before
}

func (s *modelSubject) lag(stopped bool) {
	if s.follower = s.log.end; stopped {
		s.log.lag()
		return
	}
	s.log.catchUp()
}

func (s *modelSubject) leave() { s.follower = s.log.end }

func (s *modelSubject) elect(bool) { s.log.elect(s.follower) }
