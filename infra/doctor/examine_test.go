package doctor_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/infra/doctor"
	"lmqgate/infra/minimq"
)

// examined examines a miniredis and a minimq, and returns the findings by the names of their checks.
func examined(t *testing.T, mq minimq.Config, change func(*miniredis.Miniredis, *minimq.Server), more ...string) map[string]doctor.Finding {
	t.Helper()
	redis, rocket := miniredis.RunT(t), minimq.RunWith(t, mq)
	environ := []string{
		"REDIS_URL=redis://" + redis.Addr(), "NAMESRV_ADDR=" + rocket.Addr(), "AUTH=hmac", "AUTH_USERNAME=u", "AUTH_SECRET_KEY=0123456789abcdef",
	}
	if change != nil {
		change(redis, rocket)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	report, wrong := doctor.Examine(ctx, doctor.Config{Environment: append(environ, more...)})
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	found := map[string]doctor.Finding{}
	for _, f := range report.Findings {
		found[f.Check] = f
	}
	return found
}

func expect(t *testing.T, found map[string]doctor.Finding, check string, g doctor.Grade, remedy string) {
	t.Helper()
	f, asked := found[check]
	if !asked || f.Grade != g || !strings.Contains(f.Remedy, remedy) {
		t.Errorf("%s: %+v (asked: %v), want %v with %q", check, f, asked, g, remedy)
	}
}

// TestExamine asks servers that are there, over their wire. miniredis does not say how it is, so that is not judged.
func TestExamine(t *testing.T) {
	healthy := examined(t, minimq.Config{Settings: map[string]string{"fileReservedTime": "168"}}, nil)
	for check, f := range healthy {
		if f.Grade != doctor.OK && !strings.HasPrefix(check, "redis.") && check != "broker.roundtrip" { // that one may be slow here
			t.Errorf("%+v", f)
		}
	}
	for _, check := range []string{"redis.permissions", "redis.filters", "redis.p2p", "redis.clock", "broker.clock", "broker.lmq", "topic", "nameserver.reach"} {
		expect(t, healthy, check, doctor.OK, "")
	}
	if f := healthy["broker.roundtrip"]; f.Grade == doctor.Fail || !strings.Contains(f.Text, "read from its queue after") {
		t.Errorf("%+v", f)
	}
}

func TestExamineBroken(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		mq     minimq.Config
		change func(*miniredis.Miniredis, *minimq.Server)
		more   string
		check  string
		remedy string
	}{
		{name: "wrong password", change: func(r *miniredis.Miniredis, _ *minimq.Server) { r.RequireAuth("secret") }, check: "redis.reach", remedy: "password"},
		{name: "Redis away", change: func(r *miniredis.Miniredis, _ *minimq.Server) { r.Close() }, check: "redis.reach", remedy: "REDIS_URL"},
		{name: "Redis's clock", change: func(r *miniredis.Miniredis, _ *minimq.Server) { r.SetTime(time.Now().Add(-2 * time.Hour)) }, check: "redis.clock", remedy: "NTP"},
		{name: "broker's clock", mq: minimq.Config{Now: func() time.Time { return time.Now().Add(3 * time.Hour) }}, check: "broker.clock", remedy: "NTP"},
		{name: "old broker", mq: minimq.Config{Version: "V5_3_1"}, check: "broker.version", remedy: "5.3.2"},
		{name: "no LMQ", mq: minimq.Config{Settings: map[string]string{"enableLmq": "false"}}, check: "broker.lmq", remedy: "enableLmq"},
		{name: "broker does not index", change: func(_ *miniredis.Miniredis, s *minimq.Server) { s.Faults().StallIndex(true) }, check: "broker.roundtrip", remedy: "log"},
		{name: "disk full", change: func(_ *miniredis.Miniredis, s *minimq.Server) { s.Faults().DiskFull(true) }, check: "broker.roundtrip", remedy: "disk is full"},
		{name: "broker away", change: func(_ *miniredis.Miniredis, s *minimq.Server) { s.Faults().Down() }, check: "broker.reach", remedy: "broker.conf"},
		{name: "address of nobody", change: func(_ *miniredis.Miniredis, s *minimq.Server) { s.Brokers()[0].Announce("127.0.0.1:1") }, check: "broker.reach", remedy: "brokerIP1"},
		{name: "name server away", change: func(_ *miniredis.Miniredis, s *minimq.Server) { _ = s.Close() }, check: "nameserver.reach", remedy: "NAMESRV_ADDR"},
		{name: "no topic", more: "TOPIC_AUTO_CREATE=false", check: "topic", remedy: "updateTopic"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			expect(t, examined(t, tt.mq, tt.change, strings.Fields(tt.more)...), tt.check, doctor.Fail, tt.remedy)
		})
	}
}

// TestExamineEmbedded: with nothing configured it says so, and tries what would run in the process.
func TestExamineEmbedded(t *testing.T) {
	report, wrong := doctor.Examine(t.Context(), doctor.Config{})
	if len(wrong) > 0 || report.Grade != doctor.Warn || report.Count(doctor.Warn) == 0 {
		t.Fatalf("%+v, %v", report, wrong)
	}
	last := report.Findings[len(report.Findings)-1]
	if last.Check != "embedded.roundtrip" || last.Grade == doctor.Fail {
		t.Errorf("%+v", last)
	}
}

// TestNoWrites leaves everything as it was.
func TestNoWrites(t *testing.T) {
	redis, rocket := miniredis.RunT(t), minimq.RunWith(t, minimq.Config{})
	report, _ := doctor.Examine(t.Context(), doctor.Config{NoWrites: true, Environment: []string{
		"REDIS_URL=redis://" + redis.Addr(), "NAMESRV_ADDR=" + rocket.Addr(), "AUTH=anonymous",
	}})
	for _, f := range report.Findings {
		if f.Check == "redis.permissions" || f.Check == "broker.roundtrip" {
			t.Errorf("%+v", f)
		}
	}
	if n := rocket.Brokers()[0].Store().Stats().End; n != 0 || len(redis.Keys()) > 0 {
		t.Errorf("%d bytes in the log, keys %q", n, redis.Keys())
	}
}

// TestExamineEnds: with servers that take connections and say nothing it ends when its time is over.
func TestExamineEnds(t *testing.T) {
	silent := silentServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	report, _ := doctor.Examine(ctx, doctor.Config{Environment: []string{"REDIS_URL=redis://" + silent, "NAMESRV_ADDR=" + silent, "AUTH=anonymous"}})
	for _, check := range []string{"redis.reach", "nameserver.reach"} {
		found := false
		for _, f := range report.Findings {
			found = found || f.Check == check && f.Grade == doctor.Fail
		}
		if !found {
			t.Errorf("%s: %+v", check, report.Findings)
		}
	}
}
