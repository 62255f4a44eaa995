package rocketmq_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/remoting"
)

func TestGroupName(t *testing.T) {
	seen := make(map[string]string)
	for _, parts := range [][]string{
		{"share", "g", "t"},
		{"share", "g_t"},
		{"share-g", "t"},
		{"share", "g-t"},
		{"share", "g", "t", ""},
		{"share", "", "g", "t"},
		{"shareg", "t"},
		{""},
		{},
		{"a", ""},
		{"", "a"},
		{"share", "g", "t/r"},
		{"share", "g", "t/+"},
		{"share", "gé", "t"},
		{"--" + strings.Repeat("A", 26)},
		{strings.Repeat("a", 28)},
		{strings.Repeat("a", 29)},
		{strings.Repeat("a", 30)},
		{strings.Repeat("a", 15), strings.Repeat("a", 14)},
		{strings.Repeat("a", 14), strings.Repeat("a", 15)},
	} {
		name := rocketmq.GroupName(parts...)
		if name != rocketmq.GroupName(parts...) {
			t.Errorf("%q: not always the same", parts)
		}
		key := strings.Join(parts, "\x00") + "\x00" + strings.Repeat("x", len(parts))
		if other, found := seen[name]; found {
			t.Errorf("%q and %q are both %s", other, key, name)
		}
		seen[name] = key
		if len(name) > rocketmq.MaxGroupName {
			t.Errorf("%q: %d bytes", parts, len(name))
		}
		if strings.ContainsFunc(strings.TrimPrefix(name, "%LMQ%"), func(r rune) bool {
			return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '-')
		}) {
			t.Errorf("%q: %s", parts, name)
		}
		if err := rocketmq.CheckGroup(name, "%LMQ%"+strings.Repeat("x", 122)); err != nil {
			t.Errorf("%q: %v", parts, err)
		}
	}
	for want, parts := range map[string][]string{
		"%LMQ%share-g1-t":                   {"share", "g1", "t"},
		"%LMQ%--RDPXX5Y77LP7C5FUEZIEAACBPA": {"share", "g1", "t/+"},
	} {
		if got := rocketmq.GroupName(parts...); got != want {
			t.Errorf("%q: %s, want %s", parts, got, want)
		}
	}
}

func TestCheckGroup(t *testing.T) {
	x := func(n int) string { return "%LMQ%" + strings.Repeat("x", n-5) }
	for _, k := range []struct {
		name, group, lmq string
		ok               bool
	}{
		{"usual", "%LMQ%g", "%LMQ%t%+%", true},
		{"longest LMQ", x(33), x(127), true},
		{"LMQ too long", "%LMQ%g", x(128), false},
		{"longest group", x(120), x(127), true},
		{"group too long", x(121), x(127), false},
		{"no LMQ group", "g", "%LMQ%t", false},
		{"empty group", "%LMQ%", "%LMQ%t", false},
		{"separator in the group", "%LMQ%g@h", "%LMQ%t", false},
		{"space in the group", "%LMQ%g h", "%LMQ%t", false},
		{"separator in the LMQ", "%LMQ%g", "%LMQ%a@b", true},
		{"other characters, all within 127 bytes", x(33), "%LMQ%" + strings.Repeat("中", 27), true},
		{"more than 127 bytes in fewer units", x(33), "%LMQ%" + strings.Repeat("中", 28), false},
		{"more than 127 units", x(33), "%LMQ%" + strings.Repeat("é", 20) + strings.Repeat("x", 72), true},
		{"two units a rune", x(33), "%LMQ%" + strings.Repeat("😀", 20), true},
		{"two units a rune, too long", x(33), "%LMQ%" + strings.Repeat("😀", 21), false},
	} {
		err := rocketmq.CheckGroup(k.group, k.lmq)
		if (err == nil) != k.ok || err != nil && !errors.Is(err, rocketmq.ErrGroupName) {
			t.Errorf("%s: %v", k.name, err)
		}
	}
}

// TestBeginGroup: what an earlier life left in the retry topic is stepped over.
func TestBeginGroup(t *testing.T) {
	for _, k := range []struct {
		name    string
		retry   int32 // answer to the query of the group's offset in the retry topic
		topic   int32 // answer to a commit there
		want    []string
		wantErr bool
	}{
		{name: "first life", retry: remoting.QueryNotFound, want: []string{"14 retry", "30 lmq", "15 lmq 7"}},
		{name: "messages came back", retry: remoting.Success, want: []string{"14 retry", "30 retry", "15 retry 3", "30 lmq", "15 lmq 7"}},
		{name: "an offset without a topic", retry: remoting.Success, topic: remoting.TopicNotExist, want: []string{"14 retry", "30 retry", "15 retry 3", "207", "30 lmq", "15 lmq 7"}},
		{name: "refused", retry: remoting.NoPermission, want: []string{"14 retry"}, wantErr: true},
	} {
		t.Run(k.name, func(t *testing.T) {
			popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
				var got []string
				b.script(func(cmd *remoting.Command) (*remoting.Command, bool) {
					which, code, offset := " lmq", remoting.Success, "7"
					back := strings.HasPrefix(cmd.Ext["topic"], "%RETRY%")
					if back {
						which, offset = " retry", "3"
					}
					switch cmd.Code {
					case remoting.QueryConsumerOffset:
						code = k.retry
					case remoting.UpdateConsumerOffset:
						if which += " " + cmd.Ext["commitOffset"]; back {
							code = k.topic
						}
					case remoting.DeleteSubscriptionGroup:
						if which = ""; cmd.Ext["groupName"] != popReq.Group || cmd.Ext["cleanOffset"] != "true" {
							t.Errorf("fields %v", cmd.Ext)
						}
					case remoting.GetMaxOffset:
					default:
						return nil, false
					}
					got = append(got, fmt.Sprint(cmd.Code, which))
					answer := cmd.Response(code, "")
					answer.Ext = map[string]string{"offset": offset}
					return answer, true
				})
				if err := c.BeginGroup(t.Context(), popReq.Group, popReq.LMQ); (err != nil) != k.wantErr {
					t.Error(err)
				}
				if !slices.Equal(got, k.want) {
					t.Errorf("requests %q, want %q", got, k.want)
				}
			})
		})
	}
}

func TestEndGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake("b1")
		c := fake.client(t, nil)
		retry := "%RETRY%" + popReq.Group + "_" + name
		if err := c.EndGroup(t.Context(), popReq.Group, popReq.LMQ); err != nil {
			t.Fatal(err)
		}
		b, ns := fake.brokers["b1"], fake.servers[nameServer]
		if b.count(remoting.DeleteTopicInBroker, retry) != 1 || b.count(remoting.DeleteSubscriptionGroup, "") != 1 || ns.count(remoting.DeleteTopicInNamesrv, retry) != 1 {
			t.Error("not all deleted")
		}
		// Of an LMQ with an '@' all stays.
		l := popReq.LMQ
		l.Name = "%LMQ%a@b"
		if err := c.EndGroup(t.Context(), popReq.Group, l); err != nil {
			t.Fatal(err)
		}
		if b.count(remoting.DeleteTopicInBroker, "") != 1 || b.count(remoting.DeleteSubscriptionGroup, "") != 1 {
			t.Error("deleted")
		}
		if err := c.EndGroup(t.Context(), "g", popReq.LMQ); !errors.Is(err, rocketmq.ErrGroupName) {
			t.Error(err)
		}
	})
}
