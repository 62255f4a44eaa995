package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"lmqgate/infra/migrate"
	"lmqgate/meta/topic"
)

// ownQueue stands in the place of a filter for the queue of what is sent to the client itself.
const ownQueue = "(sent to the client)"

// shown is a name as a terminal can show it.
func shown(s string) string {
	if s == "" || strconv.Quote(s) != `"`+s+`"` {
		return strconv.Quote(s)
	}
	return s
}

// printMigration prints a report for people.
func printMigration(w io.Writer, r *migrate.Report) {
	fmt.Fprintf(w, "name server: %d first topics, wildcards under %d of them, %d gateway nodes\n", len(r.FirstTopics), len(r.Wildcards), len(r.Nodes))
	for _, p := range r.Problems {
		fmt.Fprintln(w, "  note:", p)
	}
	if n := len(r.Skipped); n > 0 {
		fmt.Fprintf(w, "%d consumer groups of shared subscriptions here are left out; a client with such an id has to be named\n", n)
	}
	if len(r.Clients) == 0 {
		fmt.Fprintln(w, "no client has committed a cursor: there is nothing to take over")
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CLIENT\tFILTER\tBROKER\tACTION\tCURSOR\tHERE\tNEXT\tEND\tWAITING")
	for i := range r.Clients {
		for _, q := range r.Clients[i].Queues {
			name := shown(q.Filter)
			switch q.Filter {
			case "":
				name = shown(q.LMQ)
			case topic.OwnFilter:
				name = ownQueue
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\n", shown(r.Clients[i].ClientID), name, shown(q.Broker), q.Action, known(q.Cursor), here(q.Here), q.Next, q.Max, q.Waiting)
		}
	}
	_ = t.Flush()
	fmt.Fprintln(w)
	for i := range r.Clients {
		c := &r.Clients[i]
		if c.Why != "" {
			fmt.Fprintf(w, "%s: %s: %s\n", shown(c.ClientID), c.Result, c.Why)
		}
		for _, q := range c.Queues {
			if q.Note != "" && q.Action != migrate.Refuse {
				fmt.Fprintf(w, "%s: note: %s at %s: %s\n", shown(c.ClientID), shown(q.LMQ), shown(q.Broker), q.Note)
			}
		}
	}
	var sums []string
	for _, result := range []string{migrate.WouldTake, migrate.Taken, migrate.Unchanged, migrate.Refused, migrate.Failed} {
		if n := r.Count(result); n > 0 {
			sums = append(sums, fmt.Sprintf("%s: %d", result, n))
		}
	}
	fmt.Fprintf(w, "%d clients; %s\n", len(r.Clients), strings.Join(sums, ", "))
	if !r.Applied && r.Count(migrate.WouldTake) > 0 {
		fmt.Fprintln(w, "Nothing was changed. Stop the Java gateways (or let these clients disconnect), then run this again with --apply.")
	}
}

func known(offset int64) string {
	if offset < 0 {
		return "-"
	}
	return strconv.FormatInt(offset, 10)
}

func here(offset *int64) string {
	if offset == nil {
		return "-"
	}
	return strconv.FormatInt(*offset, 10)
}

// printListing prints what is missing in the name servers for people.
func printListing(w io.Writer, r *migrate.Listing) {
	for _, key := range r.Differ {
		fmt.Fprintf(w, "note: the name servers do not agree on %s\n", shown(key))
	}
	for _, f := range r.Left {
		fmt.Fprintf(w, "left out: Java gateways cannot dispatch to %s\n", shown(f))
	}
	n := 0
	for _, first := range slices.Sorted(maps.Keys(r.Missing)) {
		for _, f := range r.Missing[first] {
			fmt.Fprintf(w, "missing under %s: %s\n", shown(first), shown(f))
			n++
		}
	}
	switch {
	case len(r.Values) == 0:
		fmt.Fprintln(w, "all wildcard filters subscribed to here are listed in the name servers")
		return
	case r.Applied:
		fmt.Fprintf(w, "%d filters were added on every name server; Java gateways read them within 10 s\n", n)
		return
	}
	fmt.Fprintln(w, "\nNothing was changed. Run this again with --apply, or:")
	for _, key := range slices.Sorted(maps.Keys(r.Values)) {
		fmt.Fprintf(w, "  mqadmin updateKvConfig -n NAMESRV_ADDR -s LMQ -k %s -v '%s'\n", shown(key), strings.ReplaceAll(r.Values[key], "'", `'\''`))
	}
}
