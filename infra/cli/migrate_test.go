package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lmqgate/infra/migrate"
	"lmqgate/meta/session"
)

// TestMigrationTable: the table of a plan is the one that infra/migrate/README.md shows.
func TestMigrationTable(t *testing.T) {
	r := &migrate.Report{
		FirstTopics: []string{"chat"}, Wildcards: map[string][]string{"chat": {"chat/+"}}, Nodes: []string{"a", "b"},
		Clients: []migrate.Outcome{
			{ClientID: "device-17", Result: migrate.WouldTake, Queues: []migrate.Queue{
				{Filter: "chat/+", LMQ: "%LMQ%chat%+%", Broker: "broker-a", Action: migrate.Take, Cursor: 2, Next: 2, Max: 6, Waiting: 4},
			}},
			{
				ClientID: "device-18", Result: migrate.Refused,
				Why: "%LMQ%chat%#% at broker-a: the cursor 50 is beyond the end 6: the queue began anew, all of it would be delivered",
				Queues: []migrate.Queue{
					{Filter: "chat/#", LMQ: "%LMQ%chat%#%", Broker: "broker-a", Action: migrate.Refuse, Cursor: 50, Max: 6, Waiting: 6},
				},
			},
		},
	}
	var out bytes.Buffer
	printMigration(&out, r)
	doc, err := os.ReadFile("../migrate/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, want, _ := strings.Cut(string(doc), "lmqgate migrate\nname")
	want, _, _ = strings.Cut(want, "```")
	if diff := cmp.Diff("name"+want, out.String()); diff != "" {
		t.Errorf("(-README +got)\n%s", diff)
	}
}

// TestMigrationShowsNames: what comes from clients cannot do a terminal harm.
func TestMigrationShowsNames(t *testing.T) {
	var out bytes.Buffer
	printMigration(&out, &migrate.Report{Clients: []migrate.Outcome{{
		ClientID: "\x1b[2J", Result: migrate.Refused, Why: "it is so",
		Queues: []migrate.Queue{{LMQ: "%LMQ%\ta", Broker: "b", Action: migrate.Leave, Cursor: -1, Note: "nothing"}},
	}}})
	printListing(&out, &migrate.Listing{Left: []string{"\x1b[2J"}, Values: map[string]string{"t": "t/'"}, Missing: map[string][]string{"t": {"t/#"}}})
	if got := out.String(); strings.Contains(got, "\x1b") || !strings.Contains(got, `"\x1b[2J": refused: it is so`) || !strings.Contains(got, `-v 't/'\'''`) {
		t.Errorf("%s", got)
	}
}

func TestMigrateUsage(t *testing.T) {
	for _, c := range []struct {
		args   []string
		env    []string
		status int
		says   string
	}{
		{[]string{"--help"}, nil, exitOK, "--apply"},
		{[]string{"--nonsense"}, nil, exitUsage, "nonsense"},
		{[]string{"--qos", "3"}, nil, exitUsage, "--qos"},
		{[]string{"--filters", "client"}, nil, exitUsage, "--filters"},
		{nil, nil, exitUsage, "REDIS_URL and NAMESRV_ADDR"},
		{nil, []string{"PORT=x"}, exitUsage, "PORT"},
		{[]string{"--clients", "/does/not/exist"}, nil, exitError, "read clients"},
	} {
		var out, err bytes.Buffer
		status := Main(t.Context(), append([]string{"migrate"}, c.args...), c.env, &out, &err, noGateway(t))
		if status != c.status || !strings.Contains(out.String()+err.String(), c.says) {
			t.Errorf("%v: %d, %s%s", c.args, status, out.String(), err.String())
		}
	}
	if got := (streams{err: new(bytes.Buffer)}).exit(errRefused); got != exitRefused {
		t.Errorf("refused is status %d", got)
	}
}

func TestClientList(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clients")
	for text, want := range map[string]any{
		"a\n\n# no\nb\tt/+\tu/#\r\n": []migrate.Client{{ID: "x"}, {ID: "a"}, {ID: "b", Filters: []string{"t/+", "u/#"}}},
		"a\tt/#/x\n":                 errors.New("line 1"),
		"a\t$share/g/t\n":            errors.New("line 1"),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := (streams{}).clientList(file, []string{"x"})
		if list, ok := want.([]migrate.Client); ok {
			if diff := cmp.Diff(list, got); diff != "" || err != nil {
				t.Errorf("%q: %v %s", text, err, diff)
			}
		} else if err == nil || !strings.Contains(err.Error(), want.(error).Error()) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
	if list, err := (streams{in: strings.NewReader("z\n")}).clientList("-", nil); err != nil || len(list) != 1 {
		t.Errorf("standard input: %v, %v", list, err)
	}
}

func TestSessionExpiry(t *testing.T) {
	for _, c := range [][3]time.Duration{
		{0, time.Hour, time.Hour}, {time.Minute, time.Hour, time.Minute}, {2 * time.Hour, time.Hour, time.Hour}, {0, 0, session.Never}, {time.Hour, 0, time.Hour},
	} {
		if got := sessionExpiry(c[0], c[1]); got != c[2] {
			t.Errorf("%v of %v: %v, want %v", c[0], c[1], got, c[2])
		}
	}
}
