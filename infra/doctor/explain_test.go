package doctor_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"lmqgate/infra/doctor"
)

// TestExplain: what a person is told to do names the variable, and what the public is told names nothing of the inside.
func TestExplain(t *testing.T) {
	for _, tt := range []struct{ err, public, remedy string }{
		{"LOADING Redis is loading the dataset in memory", "loading its data", "by itself"},
		{"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "without its master", "REDIS_URL"},
		{"READONLY You can't write against a read only replica.", "read-only", "REDIS_URL"},
		{"OOM command not allowed when used memory > 'maxmemory'.", "out of memory", "maxmemory"},
		{"NOAUTH Authentication required.", "login refused", "REDIS_URL"},
		{"WRONGPASS invalid username-password pair or user is disabled.", "login refused", "REDIS_URL"},
		{"ERR This instance has cluster support disabled", "is no cluster", "REDIS_CLUSTER"},
		{"NOPERM this user has no permissions to run the 'hset' command", "login refused", "ACL SETUSER"},
		{"MOVED 3999 10.0.0.3:6381", "is a cluster", "REDIS_CLUSTER"},
		{"dial tcp 10.0.0.1:6379: i/o timeout, whatever", "not available", "REDIS_URL"},
	} {
		public, remedy := doctor.ExplainRedis(fmt.Errorf("ping redis at 10.0.0.1:6379: %w", errors.New(tt.err)))
		if public != tt.public || !strings.Contains(remedy, tt.remedy) {
			t.Errorf("%s: %q, %q", tt.err, public, remedy)
		}
	}
	for _, tt := range []struct{ err, public, remedy string }{
		{"name server knows no broker", "no broker", "broker.conf"},
		{"broker broker-a at 10.0.0.1:10911: no broker: deadline exceeded", "broker not reachable", "brokerIP1"},
		{"ask for brokers: name server mq:9876: x", "not available", "NAMESRV_ADDR"},
	} {
		public, remedy := doctor.ExplainRocketMQ(errors.New(tt.err))
		if public != tt.public || !strings.Contains(remedy, tt.remedy) {
			t.Errorf("%s: %q, %q", tt.err, public, remedy)
		}
	}
}
