package chaos

import (
	"context"
	"math/rand/v2"
	"time"

	"lmqgate/e2e/history"
)

// Needs are what a fault cannot do without.
type Needs struct {
	Instances int       // at least
	Redis     RedisKind // exactly this kind; MiniRedis means any
	Mini      bool      // RocketMQ in this process
	Real      bool      // a real RocketMQ
	Proxies   bool      // between the instances and Redis
	Brokers   int       // at least
	Fsync     string
}

// Fault is one way to disturb a world. Its name has no comma if it needs a real broker: tests are named after it, their folders
// after them, and RocketMQ takes a path with a comma for two.
type Fault struct {
	Name  string
	Needs Needs
	// Loses says in words what may be lost by the fault's nature; mostly nothing.
	Loses []string
	// Excuses are the rules of history that what is lost may break.
	Excuses []history.Rule
	// Reroutes says that with several brokers messages go to another one than usual meanwhile, which loses their order.
	Reroutes bool
	// Slow says that it takes about 20 s or more.
	Slow bool
	// Run disturbs the world, mends it and returns when every instance is ready again. It mends also when ctx ends early.
	Run func(ctx context.Context, w *World, r *rand.Rand) error
}

// Fits reports whether a world has what a fault needs.
func (w *World) Fits(n Needs) bool {
	o := w.options
	return len(w.Instances) >= n.Instances && (n.Redis == MiniRedis || n.Redis == o.Topology.Redis) &&
		(!n.Mini || w.MiniMQ != nil) && (!n.Real || w.RocketMQ != nil) && (!n.Proxies || len(w.RedisWays) > 0) &&
		len(w.MQWays) >= n.Brokers && (n.Fsync == "" || n.Fsync == o.Topology.Fsync)
}

// Options are the smallest world in which a fault can run.
func (n Needs) Options() WorldOptions {
	return WorldOptions{
		Instances: n.Instances, Real: n.Real,
		Topology: Topology{Redis: n.Redis, Brokers: n.Brokers, Fsync: n.Fsync},
	}
}

// Faults lists all faults, each under a name of its own.
func Faults() []Fault {
	var all []Fault
	for _, group := range [][]Fault{instanceFaults(), networkFaults(), redisFaults(), brokerFaults(), clientFaults()} {
		all = append(all, group...)
	}
	return all
}

// rest waits, or less if ctx ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// between chooses a duration.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)+1))
}

// mended waits for the world with a limit of its own, so that a fault whose context has ended is mended too.
func (w *World) mended(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mendLimit)
	defer cancel()
	return w.Ready(ctx)
}
