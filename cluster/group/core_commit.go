package group

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// commitJob is a Commit until it is answered.
type commitJob struct {
	in      Commit
	left    []Offset // not decided yet
	done    []Result
	request uint64 // in flight, else 0
	next    time.Time
	tries   int
	unknown bool // an attempt got no answer, or none that settles it
	gone    bool // cancelled while in flight
}

// addCommit queues a commit. Under a generation that is over the broker would refuse it, so it is refused without asking.
func (c *Core) addCommit(in Commit) {
	job := &commitJob{in: in, left: slices.Clone(in.Offsets)}
	switch {
	case c.phase == fenced:
		c.refuseCommit(job, codeFenced)
	case c.generation == none || c.phase == leaving:
		c.refuseCommit(job, codeUnknownMember)
	case in.Generation != c.generation:
		c.refuseCommit(job, codeGeneration)
	case len(in.Offsets) == 0:
		c.answerCommit(job)
	default:
		c.commits = append(c.commits, job)
	}
}

func (c *Core) headCommit() *commitJob {
	if len(c.commits) == 0 || c.phase == syncing {
		return nil
	}
	return c.commits[0]
}

// pumpCommits sends the first commit in the queue. While the group waits for our SyncGroup a commit would be refused (27), so it
// waits; between a rebalance and our rejoining it is accepted under the old generation.
func (c *Core) pumpCommits(now time.Time) {
	job := c.headCommit()
	if job == nil || job.request != 0 || now.Before(job.next) {
		return
	}
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Group, r.Generation, r.MemberID, r.InstanceID = c.cfg.Group, job.in.Generation, c.id, c.instance()
	at := map[string]int{}
	for _, o := range job.left {
		i, known := at[o.Topic]
		if !known {
			i = len(r.Topics)
			at[o.Topic] = i
			t := kmsg.NewOffsetCommitRequestTopic()
			t.Topic = o.Topic
			r.Topics = append(r.Topics, t)
		}
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = o.ID, o.At, none, kmsg.StringPtr(o.Metadata)
		r.Topics[i].Partitions = append(r.Topics[i].Partitions, p)
	}
	job.request = c.ask(now, opCommit, r, c.cfg.Request)
}

func (c *Core) onCommit(now time.Time, r request, in Reply) {
	if len(c.commits) == 0 || c.commits[0].request != in.ID {
		return
	}
	job := c.commits[0]
	c.commits = c.commits[1:]
	job.request = 0
	err := in.Err
	if resp, ok := in.Response.(*kmsg.OffsetCommitResponse); ok && err == nil {
		err = c.settle(job, resp)
		c.learn(now, r, job)
	} else {
		job.unknown = true
	}
	switch {
	case job.gone:
	case len(job.left) == 0:
		c.answerCommit(job)
	case job.in.Generation != c.generation:
		c.refuseCommit(job, c.codeOutside())
	default:
		job.tries++
		job.next = c.again(now, opCommit, err, job.tries)
		c.commits = slices.Insert(c.commits, 0, job)
	}
}

// settle moves decided partitions from left to done, and says why the others are undecided.
func (c *Core) settle(job *commitJob, resp *kmsg.OffsetCommitResponse) (err error) {
	codes := map[Partition]int16{}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			codes[Partition{Topic: t.Topic, ID: p.Partition}] = p.ErrorCode
		}
	}
	job.left = slices.DeleteFunc(job.left, func(o Offset) bool {
		code, decided := codes[o.Partition]
		if !decided { // never seen; a broker answers for every partition
			code = codeUnknownServer
		}
		if passing(code) {
			err = c.failure(opCommit, code)
			// But for 14, which comes before anything is written, the offset may be in the log all the same: a coordinator that
			// moves, or whose replicas do not answer in time, says no more.
			job.unknown = job.unknown || code != codeLoadInProgress
			return false
		}
		job.done = append(job.done, Result{Offset: o, Code: code})
		return true
	})
	return err
}

// learn draws conclusions from a commit about the membership it was sent under, if we still believe in it. While a join is in
// flight they would come too early: its answer says more.
func (c *Core) learn(now time.Time, r request, job *commitJob) {
	if len(job.done) == 0 || r.generation != c.generation || r.member != c.id {
		return
	}
	code := job.done[len(job.done)-1].Code
	switch settled := c.phase == stable || c.phase == waiting; {
	case code == codeFenced:
		c.fence(opCommit)
	case settled && (code == codeGeneration || code == codeUnknownMember):
		c.lose(now, opCommit, code)
	case code == codeRebalance:
		c.nextBeat = now
	}
}

// endCommits refuses what is queued under a generation that is over. One in flight waits for its answer: it may be accepted.
func (c *Core) endCommits(code int16) {
	queue := c.commits
	c.commits = nil
	for _, job := range queue {
		if job.request != 0 {
			c.commits = append(c.commits, job)
			continue
		}
		c.refuseCommit(job, code)
	}
}

func (c *Core) codeOutside() int16 {
	switch {
	case c.phase == fenced:
		return codeFenced
	case c.generation == none:
		return codeUnknownMember
	}
	return codeGeneration
}

// refuseCommit answers what is undecided with the code that the broker would give.
func (c *Core) refuseCommit(job *commitJob, code int16) {
	for _, o := range job.left {
		job.done = append(job.done, Result{Offset: o, Code: code})
	}
	c.answerCommit(job)
}

func (c *Core) answerCommit(job *commitJob) {
	c.emit(Committed{ID: job.in.ID, Generation: job.in.Generation, Results: job.done, Unknown: job.unknown})
}

// cancel forgets a Commit, Fetch or Confirm. A commit in flight still blocks those behind it until it is answered.
func (c *Core) cancel(id uint64) {
	c.confirms = slices.DeleteFunc(c.confirms, func(w confirm) bool { return w.id == id })
	c.commits = slices.DeleteFunc(c.commits, func(job *commitJob) bool {
		job.gone = job.gone || job.in.ID == id
		return job.gone && job.request == 0
	})
	c.fetches = slices.DeleteFunc(c.fetches, func(job *fetchJob) bool {
		if job.in.ID == id {
			c.drop(&job.request)
		}
		return job.in.ID == id
	})
}
