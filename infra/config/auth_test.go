package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// scramUser is the user of the example in RFC 7677.
const scramUser = "user:SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

func as(name string) string { return name + strings.TrimPrefix(scramUser, "user") }

func usersFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "AUTH_SCRAM_USERS_FILE=" + file
}

func TestScramUsers(t *testing.T) {
	cfg, err := load([]string{
		"AUTH=scram", "AUTH_SCRAM_USERS=" + as("a") + ", " + as("b"),
		usersFile(t, "# people\n\n"+as("c,d")+"\r\n  "+as("e;f")),
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range cfg.ScramUsers {
		got = append(got, u.Name)
		if u.Line() != as(u.Name) {
			t.Errorf("%s became %s", as(u.Name), u.Line())
		}
	}
	if strings.Join(got, " ") != "a b c,d e;f" || len(cfg.Warnings) > 0 {
		t.Errorf("users %q, warnings %q", got, cfg.Warnings)
	}
}

func TestWrongScramUsers(t *testing.T) {
	const list, file = "AUTH_SCRAM_USERS", "AUTH_SCRAM_USERS_FILE"
	for _, c := range []struct{ list, file, wrong, says string }{
		{list: as("a") + "," + as("a") + "x", wrong: list, says: "user 2:"},
		{list: as("a") + "," + as("b") + "," + as("a\u00AD"), wrong: list, says: "user 3: the user has a line already"},
		{list: as("a"), file: "\n" + as("a"), wrong: file, says: "line 2: the user has a line already"},
		{file: "# nobody\n\n", wrong: file, says: "no user"},
		{file: as("a") + "\nb:pencil\nc:pencil", wrong: file + " " + file, says: "line 3:"},
		{file: strings.Repeat("#", maxSmallFile+1), wrong: file, says: "16 MiB"},
	} {
		environ := []string{"AUTH=scram", list + "=" + c.list}
		if c.file != "" {
			environ = append(environ, usersFile(t, c.file))
		}
		_, err := load(environ, 0)
		if got := strings.Join(names(t, err), " "); got != c.wrong {
			t.Errorf("%.60q: wrong variables %q, want %q: %v", environ, got, c.wrong, err)
		} else if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "WG5d") || strings.Contains(err.Error(), "pencil") {
			t.Errorf("%.60q: %v", environ, err)
		}
	}
}

func TestUnusedScramUsers(t *testing.T) {
	cfg, err := load([]string{"AUTH=anonymous", "AUTH_SCRAM_USERS=" + as("a")}, 0)
	if err != nil || len(cfg.Warnings) != 1 || !strings.HasPrefix(cfg.Warnings[0], "AUTH_SCRAM_USERS: is not used") {
		t.Errorf("%q, %v", cfg.Warnings, err)
	}
}

func TestStatusUsers(t *testing.T) {
	one := []string{"NAMESRV_ADDR=h:9876", "AUTH=anonymous", "ALLOW_EMBEDDED=true"}
	for _, c := range []struct {
		environ []string
		want    string
	}{
		{nil, "*"},
		{[]string{"STATUS_USERS=off"}, ""},
		{[]string{"STATUS_USERS=ops"}, "ops"},
		{one, ""},
		{real(), ""},
		{real("STATUS_USERS=*"), "*"},
		{real("STATUS_USERS=ops;ann"), "ops ann"},
	} {
		cfg, err := load(c.environ, 0)
		if err != nil || strings.Join(cfg.StatusUsers, " ") != c.want {
			t.Errorf("%q: %q, %v", c.environ, cfg.StatusUsers, err)
		}
	}
}
