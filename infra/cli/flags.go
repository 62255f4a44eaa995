package cli

import (
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"math"
	"strings"
	"time"

	"lmqgate/infra/config"
)

// options are the flags of sub and pub; each command adds its own to the common ones.
type options struct {
	url        string
	qos        int
	user       string
	password   string
	hmacSecret string
	clientID   string
	session    time.Duration // sub: how long the server keeps the session
	count      int           // sub: end after so many messages
	retain     bool          // pub
	timeout    time.Duration
	verbose    bool
}

// parse reads flags, which may stand before, between and behind the other arguments, and returns the others. Behind --
// there are no flags. A wrong flag is printed with the command's usage and returned as errUsage.
func (o *options) parse(s streams, name, synopsis string, args []string, own func(*flag.FlagSet)) ([]string, error) {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(s.err)
	set.StringVar(&o.url, "url", config.ClientURL(s.environ), "gateway: ws://, wss://, tcp:// or mqtts:// (or LMQGATE_URL)")
	set.IntVar(&o.qos, "qos", 1, "0, 1 or 2")
	set.StringVar(&o.user, "user", "", "user name")
	set.StringVar(&o.password, "password", "", "password")
	set.StringVar(&o.hmacSecret, "hmac-secret", "", "make the password of AUTH=hmac: Base64(HMAC-SHA1(secret, client id))")
	set.StringVar(&o.clientID, "client-id", "", "client id (default a random one)")
	set.BoolVar(&o.verbose, "v", false, "tell more: connections, QoS and flags of messages")
	own(set)
	set.Usage = func() {
		fmt.Fprintf(s.err, "usage: lmqgate %s %s\n\n", name, synopsis)
		set.PrintDefaults()
	}
	rest, err := interleaved(set, args)
	if err == nil {
		if wrong := o.check(); wrong != nil {
			fmt.Fprintf(s.err, "lmqgate %s: %v\n", name, wrong)
			err = errUsage
		}
	} else if !errors.Is(err, flag.ErrHelp) {
		err = errUsage // the flag package has printed it
	}
	return rest, err
}

// interleaved lets flags follow arguments, which the flag package alone does not.
func interleaved(set *flag.FlagSet, args []string) ([]string, error) {
	var rest []string
	for {
		before := args
		if err := set.Parse(args); err != nil {
			return nil, err
		}
		args = set.Args()
		if ended := len(before) - len(args); ended > 0 && before[ended-1] == "--" {
			return append(rest, args...), nil
		}
		if len(args) == 0 {
			return rest, nil
		}
		rest, args = append(rest, args[0]), args[1:]
	}
}

// check looks for values that no gateway takes, and chooses what was left open.
func (o *options) check() error {
	switch {
	case o.qos < 0 || o.qos > 2:
		return fmt.Errorf("--qos %d: give 0, 1 or 2", o.qos)
	case o.count < 0:
		return fmt.Errorf("--count %d: give a number of messages", o.count)
	case o.timeout < 0:
		return fmt.Errorf("--timeout %v: give a duration such as 30s", o.timeout)
	case o.session < 0 || o.session > math.MaxUint32*time.Second:
		return fmt.Errorf("--session %v: give a duration such as 1h", o.session)
	case o.session > 0 && o.clientID == "":
		return errors.New("--session needs --client-id: a session is found again by it")
	case o.hmacSecret != "" && o.password != "":
		return errors.New("--hmac-secret makes the password: leave out --password")
	}
	if o.clientID == "" {
		o.clientID = "lmqgate-" + strings.ToLower(rand.Text()[:10])
	}
	if o.hmacSecret != "" {
		o.password = hmacPassword(o.hmacSecret, o.clientID)
	}
	return nil
}
