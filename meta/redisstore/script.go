package redisstore

import (
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"errors"

	"github.com/redis/go-redis/v9"
)

// script is one Lua script. It is called by its hash, and sent whole when the server does not know it.
type script struct {
	name, source, hash string
}

func newScript(name, source string) script {
	sum := sha1.Sum([]byte(source))
	return script{name: name, source: source, hash: hex.EncodeToString(sum[:])}
}

//go:embed lua/amend.lua
var amendSource string

//go:embed lua/attach.lua
var attachSource string

//go:embed lua/check.lua
var checkSource string

//go:embed lua/detach.lua
var detachSource string

//go:embed lua/due_move.lua
var dueMoveSource string

//go:embed lua/due_page.lua
var duePageSource string

//go:embed lua/expire.lua
var expireSource string

//go:embed lua/finished.lua
var finishedSource string

//go:embed lua/group_begun.lua
var groupBegunSource string

//go:embed lua/group_join.lua
var groupJoinSource string

//go:embed lua/group_renew.lua
var groupRenewSource string

//go:embed lua/hold.lua
var holdSource string

//go:embed lua/inst_beat.lua
var instBeatSource string

//go:embed lua/inst_drop.lua
var instDropSource string

//go:embed lua/inst_end.lua
var instEndSource string

//go:embed lua/inst_forget.lua
var instForgetSource string

//go:embed lua/inst_lease.lua
var instLeaseSource string

//go:embed lua/inst_list.lua
var instListSource string

//go:embed lua/orphan.lua
var orphanSource string

//go:embed lua/peek.lua
var peekSource string

//go:embed lua/release.lua
var releaseSource string

//go:embed lua/settle.lua
var settleSource string

//go:embed lua/snapshot.lua
var snapshotSource string

//go:embed lua/will_done.lua
var willDoneSource string

//go:embed lua/will_due.lua
var willDueSource string

//go:embed lua/will_place.lua
var willPlaceSource string

// willsSource is what scripts that know wills begin with.
//
//go:embed lua/wills.lua
var willsSource string

//go:embed lua/write.lua
var writeSource string

// scripts are all of them.
type scripts struct {
	finished, groupBegun, groupJoin, groupRenew, idem, lease, push script

	retainCount, retainRead, retainSet, retainWalk, statusAll, statusReport script

	amend, attach, check, detach, dueMove, duePage, expire, hold, instBeat, instDrop, instEnd, instForget, instLease, instList,
	orphan, peek, release, settle, snapshot, willDone, willDue, willPlace, write script
}

func loadScripts() *scripts {
	return &scripts{
		finished:   newScript("finished", finishedSource),
		idem:       newScript("idem", idemSource),
		lease:      newScript("lease", leaseSource),
		push:       newScript("push", pushSource),
		groupBegun: newScript("group_begun", groupBegunSource), groupJoin: newScript("group_join", groupJoinSource),
		groupRenew:  newScript("group_renew", groupRenewSource),
		retainCount: newScript("retain_count", retainCountSource), retainRead: newScript("retain_read", retainReadSource),
		retainSet: newScript("retain_set", retainSetSource), retainWalk: newScript("retain_walk", retainWalkSource),
		statusAll: newScript("status_all", statusAllSource), statusReport: newScript("status_report", statusReportSource),
		amend:  newScript("amend", amendSource),
		attach: newScript("attach", willsSource+attachSource), check: newScript("check", checkSource),
		detach: newScript("detach", willsSource+detachSource), dueMove: newScript("due_move", dueMoveSource),
		duePage: newScript("due_page", duePageSource), expire: newScript("expire", willsSource+expireSource),
		hold: newScript("hold", holdSource), instBeat: newScript("inst_beat", instBeatSource),
		instDrop: newScript("inst_drop", instDropSource), instEnd: newScript("inst_end", instEndSource),
		instForget: newScript("inst_forget", instForgetSource), instLease: newScript("inst_lease", instLeaseSource),
		instList: newScript("inst_list", instListSource), orphan: newScript("orphan", willsSource+orphanSource),
		peek: newScript("peek", peekSource), release: newScript("release", releaseSource),
		settle: newScript("settle", willsSource+settleSource), snapshot: newScript("snapshot", snapshotSource),
		willDone: newScript("will_done", willsSource+willDoneSource), willDue: newScript("will_due", willsSource+willDueSource),
		willPlace: newScript("will_place", willsSource+willPlaceSource),
		write:     newScript("write", writeSource),
	}
}

// all lists them, for the metrics to call them by name.
func (s *scripts) all() []script {
	return []script{
		s.finished, s.groupBegun, s.groupJoin, s.groupRenew, s.idem, s.lease, s.push,
		s.retainCount, s.retainRead, s.retainSet, s.retainWalk, s.statusAll, s.statusReport,
		s.amend, s.attach, s.check, s.detach, s.dueMove, s.duePage, s.expire, s.hold, s.instBeat, s.instDrop, s.instEnd,
		s.instForget, s.instLease, s.instList, s.orphan, s.peek, s.release, s.settle, s.snapshot,
		s.willDone, s.willDue, s.willPlace, s.write,
	}
}

// trip is one round trip: commands that are sent together. It is not a transaction: any of them may fail alone, and on
// a cluster they reach their nodes in any order.
type trip struct {
	pipe  redis.Pipeliner
	calls []call
}

// call is one script call of a trip; it is kept to be sent again.
type call struct {
	source string
	keys   []string
	args   []any
	result *redis.Cmd
}

func (s *Store) trip() *trip { return &trip{pipe: s.client.Pipeline()} }

// run adds a script call. Its result is valid after send.
func (t *trip) run(ctx context.Context, sc script, keys []string, args ...any) *redis.Cmd {
	cmd := t.pipe.EvalSha(ctx, sc.hash, keys, args...)
	t.calls = append(t.calls, call{source: sc.source, keys: keys, args: args, result: cmd})
	return cmd
}

// send sends the commands. Scripts that a server did not know (it restarted, failed over, or flushed them) did not run:
// they are sent again, whole, in a second trip. Errors are in the results of the commands; send returns the first.
func (t *trip) send(ctx context.Context) error {
	cmds, err := t.pipe.Exec(ctx)
	if err == nil {
		return nil
	}
	var unknown []call
	for _, c := range t.calls {
		if redis.HasErrorPrefix(c.result.Err(), "NOSCRIPT") {
			unknown = append(unknown, c)
		}
	}
	if len(unknown) == 0 {
		return spread(cmds, err)
	}
	again := make([]*redis.Cmd, len(unknown))
	for i, c := range unknown {
		again[i] = t.pipe.Eval(ctx, c.source, c.keys, c.args...)
	}
	repeated, err := t.pipe.Exec(ctx)
	err = spread(repeated, err)
	for i, c := range unknown {
		c.result.SetVal(again[i].Val())
		c.result.SetErr(again[i].Err())
	}
	if err != nil {
		return err
	}
	return spread(cmds, nil)
}

// spread returns the first error of the commands that is more than "no such value". An error of the trip that no
// command carries becomes the error of all of them.
func spread(cmds []redis.Cmder, trip error) error {
	absent := false
	for _, cmd := range cmds {
		switch err := cmd.Err(); {
		case errors.Is(err, redis.Nil):
			absent = true
		case err != nil:
			return err
		}
	}
	if trip == nil || (absent && errors.Is(trip, redis.Nil)) {
		return nil
	}
	for _, cmd := range cmds {
		cmd.SetErr(trip)
	}
	return trip
}
