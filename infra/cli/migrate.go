package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"lmqgate/infra/config"
	"lmqgate/infra/migrate"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// exitRefused says that something was left as it was, since messages would be lost or repeated.
const exitRefused = 3

// errRefused ends a command with exitRefused; what was refused was printed.
var errRefused = errors.New("not everything could be taken over")

const migrateUsage = `usage: lmqgate migrate [flags] [CLIENT-ID...]

Takes the sessions of persistent clients over from Apache RocketMQ MQTT (Java): their cursors, which that gateway commits
to the brokers, become sessions in Redis. Without --apply it only says what it would do. It may be repeated. Without client
ids it is about all clients that have committed a cursor. It reads the environment of the gateway.

With --filters it lists, and with --apply adds, the wildcard filters subscribed to here that Java gateways have to know.

Exit status: 0 done, or nothing to do; 1 failed; 2 wrong flags or environment; 3 some clients or filters were refused.

`

// migrateFlags are the flags of migrate.
type migrateFlags struct {
	apply, json, filters, acceptGaps bool
	qos                              int
	expiry                           time.Duration
	clients                          string
}

// migrate runs the command of that name.
func (s streams) migrate(ctx context.Context, args []string) error {
	var f migrateFlags
	set := flag.NewFlagSet("migrate", flag.ContinueOnError)
	set.SetOutput(s.err)
	set.BoolVar(&f.apply, "apply", false, "take over; without it nothing is changed")
	set.BoolVar(&f.json, "json", false, "print JSON")
	set.BoolVar(&f.filters, "filters", false, "about the lists of wildcards in the name servers, not about sessions")
	set.BoolVar(&f.acceptGaps, "accept-gaps", false, "take over also where messages are lost or repeated; the plan says which")
	set.IntVar(&f.qos, "qos", 1, "QoS of the subscriptions, which the Java gateway keeps nowhere")
	set.DurationVar(&f.expiry, "expiry", 0, "for how long sessions wait for their clients (default SESSION_EXPIRY_MAX)")
	set.StringVar(&f.clients, "clients", "", "file with client ids, one a line, each with its filters behind it if they are known, separated by tabs; - is standard input")
	set.Usage = func() { fmt.Fprint(s.err, migrateUsage); set.PrintDefaults() }
	ids, err := interleaved(set, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return errUsage
	case f.qos < 0 || f.qos > 2 || f.expiry < 0 || f.filters && (len(ids) > 0 || f.clients != ""):
		fmt.Fprintln(s.err, "lmqgate migrate: --qos is 0, 1 or 2, --expiry is not negative, and --filters is not about clients")
		return errUsage
	}
	clients, err := s.clientList(f.clients, ids)
	if err != nil {
		return err
	}
	cfg, err := config.Load(s.environ)
	if err != nil {
		fmt.Fprintf(s.err, "lmqgate: the environment cannot be used:\n%v\n", err)
		return errUsage
	}
	log, store, end, err := migrate.Open(ctx, cfg, slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelError})))
	if errors.Is(err, migrate.ErrEmbedded) {
		fmt.Fprintln(s.err, "lmqgate migrate:", err)
		return errUsage
	}
	if err != nil {
		return err
	}
	defer end()
	if f.filters {
		return s.migrateFilters(ctx, f, log, store)
	}
	return s.migrateClients(ctx, f, cfg, clients, log, store)
}

func (s streams) migrateClients(ctx context.Context, f migrateFlags, cfg config.Config, clients []migrate.Client, log migrate.Log, store migrate.Sessions) error {
	r, err := migrate.Run(ctx, log, store, migrate.Options{
		Clients: clients, QoS: byte(f.qos), Expiry: sessionExpiry(f.expiry, cfg.SessionExpiryMax), MaxSubscriptions: cfg.MaxSubscriptions, P2P: cfg.P2P,
		AcceptGaps: f.acceptGaps, Apply: f.apply,
	})
	if r != nil {
		if f.json {
			_ = printJSON(s.out, r)
		} else {
			printMigration(s.out, r)
		}
	}
	switch {
	case err != nil:
		return err
	case r.Count(migrate.Failed) > 0:
		return fmt.Errorf("%d clients could not be looked at or taken over", r.Count(migrate.Failed))
	case r.Count(migrate.Refused) > 0:
		return errRefused
	}
	return nil
}

func (s streams) migrateFilters(ctx context.Context, f migrateFlags, log migrate.Log, store migrate.Sessions) error {
	r, err := migrate.List(ctx, log, store, f.apply)
	if r != nil {
		if f.json {
			_ = printJSON(s.out, r)
		} else {
			printListing(s.out, r)
		}
	}
	if err == nil && len(r.Left) > 0 {
		err = errRefused
	}
	return err
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// sessionExpiry is the expiry interval of new sessions; most is SESSION_EXPIRY_MAX, 0 for none.
func sessionExpiry(wanted, most time.Duration) time.Duration {
	if most == 0 {
		most = session.Never
	}
	if wanted == 0 || wanted > most {
		return most
	}
	return wanted
}

// maxClientLine bounds a line of a list of clients.
const maxClientLine = 1 << 20

// clientList reads the clients that the command is about.
func (s streams) clientList(file string, ids []string) ([]migrate.Client, error) {
	var list []migrate.Client
	for _, id := range ids {
		list = append(list, migrate.Client{ID: id})
	}
	if file == "" {
		return list, nil
	}
	in := s.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read clients: %w", err)
		}
		defer f.Close()
		in = f
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxClientLine)
	for n := 1; lines.Scan(); n++ {
		parts := strings.Split(strings.TrimRight(lines.Text(), "\r"), "\t")
		if parts[0] == "" || strings.HasPrefix(parts[0], "#") {
			continue
		}
		c := migrate.Client{ID: parts[0]}
		for _, filter := range parts[1:] {
			if filter == "" {
				continue
			}
			if err := topic.ValidFilter(filter); err != nil || strings.HasPrefix(filter, "$share/") {
				return nil, fmt.Errorf("read clients: line %d: filter %q cannot be taken over", n, filter)
			}
			c.Filters = append(c.Filters, filter)
		}
		list = append(list, c)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read clients: %w", err)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("read clients: %s names none", file)
	}
	return list, nil
}
