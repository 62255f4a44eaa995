package minimq

import (
	"log/slog"
	"math/rand/v2"
	"sync"

	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq/store"
)

// Request and response codes of a broker that remoting does not need.
const (
	codeUpdateTopicList   = 18
	codeGetAllTopicConfig = 21
	codeViewMessage       = 33
	codeLockBatch         = 41
	codeUnlockBatch       = 42
	codeCheckClientConfig = 46
	codeUpdateGroup       = 200
	codeGetAllGroups      = 201
	codeDeleteGroup       = 207
	codeGetTopicConfig    = 351
	codeGetGroupConfig    = 352
	codeInvalidParameter  = 29
	codeNoMessage         = 208
)

// Broker is one broker, a master. All its state is its own.
type Broker struct {
	cfg    Config
	name   string
	names  *nameServer
	access *accessTable
	ep     *endpoint
	log    *slog.Logger
	faults *Faults

	store   *store.Store
	topics  *topicTable
	groups  *groupTable
	offsets *offsetTable
	clients *clientTable
	locks   *lockTable
	holds   *holdTable
	pops    *popTable
	timers  *timers

	life  sync.Mutex // protects up, front and, until start has returned, store
	up    bool
	front string // host:port told to the name server instead of our own

	mu  sync.Mutex // protects rng
	rng *rand.Rand
}

func newBroker(cfg Config, i int, names *nameServer, access *accessTable) *Broker {
	b := &Broker{
		cfg: cfg, name: "broker-" + string(rune('a'+i)), names: names, access: access,
		groups: newGroupTable(cfg), offsets: newOffsetTable(), locks: newLockTable(cfg.Now),
		timers: newTimers(cfg.Now), rng: rand.New(rand.NewPCG(cfg.Seed, uint64(i))),
	}
	b.log = cfg.Logger.With("broker", b.name)
	b.topics = newTopicTable(cfg, b.name)
	b.clients = newClientTable(b)
	b.holds = newHoldTable(b)
	b.pops = newPopTable(b)
	b.faults = &Faults{b: b}
	b.ep = newEndpoint("127.0.0.1:0", cfg.IdleClose, b)
	b.ep.tls = cfg.TLS
	if cfg.ReorderSends {
		b.ep.order = func() *reorderer {
			b.mu.Lock()
			defer b.mu.Unlock()
			return newReorderer(b.rng.Uint64())
		}
	}
	return b
}

// Name is the broker's name, broker-a for the first one.
func (b *Broker) Name() string { return b.name }

// Addr is the broker's host:port; it stays the same over Faults.Down and Up.
func (b *Broker) Addr() string { return b.ep.addr() }

// Announce has the name server tell clients another address than the broker's
// own, such as a proxy's in front of it (brokerIP1 of a real one).
func (b *Broker) Announce(front string) {
	b.life.Lock()
	defer b.life.Unlock()
	b.front = front
	if b.up {
		b.names.register(b.name, front, b.topics.all())
	}
}

// announced is the address that clients are told.
func (b *Broker) announced() string {
	b.life.Lock()
	defer b.life.Unlock()
	return b.announcedLocked()
}

func (b *Broker) announcedLocked() string {
	if b.front != "" {
		return b.front
	}
	return b.ep.addr()
}

// Faults switches this broker's faults.
func (b *Broker) Faults() *Faults { return b.faults }

// Store is where the broker keeps its messages.
func (b *Broker) Store() *store.Store { return b.store }

func (b *Broker) start() error {
	b.life.Lock()
	defer b.life.Unlock()
	if b.up {
		return nil
	}
	if err := b.ep.listenOnly(); err != nil {
		return err
	}
	if b.store == nil {
		b.store = store.New(store.Config{
			Host: b.ep.addrPort(), IndexLag: b.cfg.IndexLag, MaxBytes: b.cfg.MaxBytes, MaxAge: b.cfg.MaxAge,
			FileIndex: b.cfg.FileIndex, Now: b.cfg.Now, Arrived: b.arrived,
		})
	} else {
		b.store.Reopen()
	}
	b.timers.start()
	b.ep.serve()
	b.names.register(b.name, b.announcedLocked(), b.topics.all())
	b.up = true
	return nil
}

func (b *Broker) stop() {
	b.life.Lock()
	defer b.life.Unlock()
	if !b.up {
		return
	}
	b.up = false
	b.names.unregister(b.name)
	b.ep.stop()
	b.timers.stop()
	b.store.Close()
	b.holds.clear()
	b.pops.clear()
}

// random returns a number below n.
func (b *Broker) random(n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rng.IntN(n)
}

// arrived is told of every index entry.
func (b *Broker) arrived(a store.Arrival) {
	if b.faults.losesWakeup(a) {
		return
	}
	b.holds.arrived(a)
	b.pops.arrived(a)
}

func (b *Broker) closed(c *conn) { b.clients.closed(c) }

// handle answers a request, unless its handler keeps it.
func (b *Broker) handle(c *conn, req *remoting.Command) {
	if !b.faults.admit(c, req) {
		return
	}
	if why := b.access.refuses(c, req); why != "" {
		b.faults.release(c, req, &remoting.Command{Code: remoting.NoPermission, Remark: why})
		return
	}
	a := &args{ext: req.Ext}
	resp := b.answer(c, req, a)
	if bad := a.err(); bad != nil {
		resp = bad
	}
	if resp != nil {
		b.faults.release(c, req, resp)
	}
}

// answer returns the response to req, or nil if it comes later. A handler that
// misses a field returns what it likes: handle answers for it.
func (b *Broker) answer(c *conn, req *remoting.Command, a *args) *remoting.Command {
	switch req.Code {
	case remoting.SendMessage, remoting.SendMessageV2, remoting.SendBatchMessage:
		return b.send(c, req, a)
	case remoting.ConsumerSendMsgBack:
		return b.sendBack(a)
	case remoting.PullMessage:
		return b.pull(c, req, a)
	case remoting.QueryMessage:
		return b.queryMessage(a)
	case codeViewMessage:
		return b.viewMessage(a)
	case remoting.QueryConsumerOffset:
		return b.queryOffset(a)
	case remoting.UpdateConsumerOffset:
		return b.updateOffset(a)
	case remoting.HeartBeat:
		return b.clients.heartbeat(c, req)
	case remoting.UnregisterClient:
		return b.clients.unregister(c, a)
	case remoting.GetConsumerListByGroup:
		return b.clients.list(a.str("consumerGroup"))
	case codeCheckClientConfig:
		return checkClientConfig(req)
	case codeLockBatch:
		return b.locks.lock(req)
	case codeUnlockBatch:
		return b.locks.unlock(req)
	case remoting.PopMessage:
		return b.pop(c, req, a)
	case remoting.AckMessage:
		return b.ack(c, a)
	case remoting.BatchAckMessage:
		return b.batchAck(req)
	case remoting.ChangeMessageInvisibleTime:
		return b.changeInvisible(c, a)
	}
	return b.admin(c, req, a)
}
