package parts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// RocketMQOptions choose the brokers. The zero value is one master with RocksDB index and LMQ switched on, which is what
// production needs.
type RocketMQOptions struct {
	Version   string    // of the brokers and the name server; "" means RocketMQVersion
	Brokers   int       // masters, broker-a, broker-b, ...; 0 means 1
	FileIndex bool      // consume queues as files (RocketMQ's default) instead of RocksDB
	NoLMQ     bool      // enableLmq and enableMultiDispatch stay off, as on a broker that nobody prepared
	Proxied   bool      // clients are told the address of a proxy before each broker: Linux only, it needs 127.0.0.2
	Heap      string    // -Xmx of a broker; "" means 1g
	Secured   *Security // nil: plain connections, and everybody may do everything
	Conf      []string  // further lines of broker.conf, such as "fileReservedTime=1"; they win
}

// Security is TLS between everybody, and access control (ACL 2.0) at the brokers.
type Security struct {
	CertFile string // PEM, of all servers; "": plain connections
	KeyFile  string // PEM, PKCS #8, without a password
	Root     *Login // who may do everything; nil: no access control
}

// Login is a user of a broker with access control.
type Login struct{ User, Secret string }

// flags are what a Java process of the cluster is started with.
func (s *Security) flags() []string {
	if s == nil || s.CertFile == "" {
		return nil
	}
	return []string{
		"-Dtls.server.mode=enforcing", "-Dtls.test.mode.enable=false", "-Dtls.server.need.client.auth=none", "-Dtls.server.authClient=false",
		"-Dtls.server.certPath=" + s.CertFile, "-Dtls.server.keyPath=" + s.KeyFile,
		"-Dtls.enable=true", "-Dtls.client.authServer=true", "-Dtls.client.trustCertPath=" + s.CertFile, // broker to name server
	}
}

// lines are of broker.conf.
func (s *Security) lines() []string {
	if s == nil || s.Root == nil {
		return nil
	}
	const auth = "org.apache.rocketmq.auth."
	return []string{
		"authenticationEnabled=true", "authenticationProvider=" + auth + "authentication.provider.DefaultAuthenticationProvider",
		"authenticationMetadataProvider=" + auth + "authentication.provider.LocalAuthenticationMetadataProvider",
		"authorizationEnabled=true", "authorizationProvider=" + auth + "authorization.provider.DefaultAuthorizationProvider",
		"authorizationMetadataProvider=" + auth + "authorization.provider.LocalAuthorizationMetadataProvider",
		fmt.Sprintf(`initAuthenticationUser={"username":%q,"password":%q}`, s.Root.User, s.Root.Secret),
		fmt.Sprintf(`innerClientAuthenticationCredentials={"accessKey":%q,"secretKey":%q}`, s.Root.User, s.Root.Secret),
	}
}

// login is whose requests brokers answer.
func (s *Security) login() *Login {
	if s == nil {
		return nil
	}
	return s.Root
}

// RocketMQServers are a name server and its brokers.
type RocketMQServers struct {
	NameServer *Process
	Addr       string // of the name server: NAMESRV_ADDR
	Version    string
	Brokers    []*Broker
}

// String names the options that a table of brokers tells apart, such as "5.3.3, file index, 2 brokers".
func (o RocketMQOptions) String() string {
	index, brokers := "RocksDB index", "1 broker"
	if o.FileIndex {
		index = "file index"
	}
	if o.Brokers > 1 {
		brokers = fmt.Sprintf("%d brokers", o.Brokers)
	}
	return fmt.Sprintf("%s, %s, %s", o.version(), index, brokers)
}

func (o RocketMQOptions) version() string {
	if o.Version == "" {
		return RocketMQVersion
	}
	return o.Version
}

// rocketLogs is where RocketMQ writes its logs below user.home; its standard output tells of the logger only.
const rocketLogs = "logs/rocketmqlogs"

// Broker is a master broker.
type Broker struct {
	*Process
	Name string       // broker-a, broker-b, ...
	Addr string       // host:port that it tells the name server
	Way  *ProxyServer // what listens there, with Proxied
}

// RocketMQ starts a name server and brokers, and waits until every broker has a route and answers.
func RocketMQ(t T, o RocketMQOptions) *RocketMQServers {
	t.Helper()
	lib := jars(t, o.version())
	s := &RocketMQServers{Addr: loopback(FreePort(t)), Version: o.version()}
	s.NameServer = nameServer(t, lib, s.Addr, o.Secured)
	for i := range max(1, o.Brokers) {
		s.Brokers = append(s.Brokers, broker(t, lib, s.Addr, "broker-"+string(rune('a'+i)), o))
	}
	return s
}

func nameServer(t T, lib, addr string, way *Security) *Process {
	t.Helper()
	dir := t.TempDir()
	conf := writeConf(t, filepath.Join(dir, "namesrv.conf"),
		"listenPort="+portOf(addr),
		"kvConfigPath="+filepath.Join(dir, "kvConfig.json"),
		"configStorePath="+filepath.Join(dir, "namesrv.properties"))
	return start(t, &Process{
		name: "name server " + addr, log: filepath.Join(dir, "namesrv.log"), detail: filepath.Join(dir, rocketLogs, "namesrv.log"),
		command: func() *exec.Cmd {
			return java(dir, lib, append(way.flags(), "-Xms64m", "-Xmx256m", "-XX:+UseSerialGC"), "org.apache.rocketmq.namesrv.NamesrvStartup", conf)
		},
		ready: func() error { _, err := askBy(addr, codeClusterInfo, way, nil); return err },
	})
}

func broker(t T, lib, nameServer, name string, o RocketMQOptions) *Broker {
	t.Helper()
	dir := t.TempDir()
	addr := loopback(FreePort(t, -2, +1)) // -2 serves clients that ask for it, +1 replicas
	ip, told := "127.0.0.1", addr
	var way *ProxyServer
	if o.Proxied { // a broker tells its own port, so the proxy has the same one at another address
		ip, told = "127.0.0.2", "127.0.0.2:"+portOf(addr)
		way = proxyAt(t, told, addr)
	}
	store := filepath.Join(dir, "store")
	lines := []string{
		"brokerClusterName=DefaultCluster", "brokerName=" + name, "brokerId=0",
		"namesrvAddr=" + nameServer, "brokerIP1=" + ip, "bindAddress=127.0.0.1", "listenPort=" + portOf(addr),
		"autoCreateTopicEnable=true", "autoCreateSubscriptionGroup=true",
		"storePathRootDir=" + store, "storePathCommitLog=" + filepath.Join(store, "commitlog"),
		"mappedFileSizeCommitLog=134217728", "flushDiskType=ASYNC_FLUSH", "diskMaxUsedSpaceRatio=99",
		"registerNameServerPeriod=10000",
	}
	if !o.NoLMQ {
		lines = append(lines, "enableLmq=true", "enableMultiDispatch=true", "maxLmqConsumeQueueNum=2000000")
	}
	if !o.FileIndex {
		lines = append(lines, "storeType=defaultRocksDB")
	}
	lines = append(lines, o.Secured.lines()...)
	conf := writeConf(t, filepath.Join(dir, "broker.conf"), append(lines, o.Conf...)...)
	heap := o.Heap
	if heap == "" {
		heap = "1g"
	}
	p := start(t, &Process{
		name: name + " " + addr, log: filepath.Join(dir, "broker.log"), detail: filepath.Join(dir, rocketLogs, "broker.log"),
		command: func() *exec.Cmd {
			return java(dir, lib, append(o.Secured.flags(), "-Xms256m", "-Xmx"+heap, "-XX:MaxDirectMemorySize=512m"), "org.apache.rocketmq.broker.BrokerStartup", conf)
		},
		ready: func() error { return brokerReady(nameServer, told, addr, o.Secured) },
	})
	return &Broker{Process: p, Name: name, Addr: told, Way: way}
}

// brokerReady asks the name server for the broker, and the broker for itself.
func brokerReady(nameServer, told, addr string, way *Security) error {
	info, err := askBy(nameServer, codeClusterInfo, way, nil)
	if err != nil {
		return err
	}
	if !strings.Contains(string(info), `"`+told+`"`) {
		return fmt.Errorf("the name server does not know %s", told)
	}
	_, err = askBy(addr, codeBrokerConfig, way, way.login())
	return err
}

// java is a RocketMQ server on Java 17 or later. Everything it writes goes below dir, RocksDB's unpacked library included.
func java(dir, lib string, heap []string, class, conf string) *exec.Cmd {
	args := append(heap,
		"-Duser.home="+dir, "-Djava.io.tmpdir="+dir, "-XX:-UsePerfData", "-Djava.net.preferIPv4Stack=true",
		"--add-opens=java.base/java.nio=ALL-UNNAMED", "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED",
		"--add-exports=java.base/sun.nio.ch=ALL-UNNAMED", "--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED",
		"-cp", filepath.Join(lib, "*"), class, "-c", conf)
	cmd := exec.Command("java", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "ROCKETMQ_HOME="+dir)
	return cmd
}

func writeConf(t T, file string, lines ...string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatalf("write configuration: %v", err)
	}
	return file
}

func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// MQAdmin runs RocketMQ's own administration tool against the name server and returns what it printed. A call takes
// several seconds.
func (s *RocketMQServers) MQAdmin(t T, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("java", append([]string{
		"-Xmx256m", "-Duser.home=" + dir, "-Drocketmq.namesrv.addr=" + s.Addr, "-XX:-UsePerfData",
		"-cp", filepath.Join(jars(t, s.Version), "*"), "org.apache.rocketmq.tools.command.MQAdminStartup",
	}, args...)...)
	cmd.Env = append(os.Environ(), "ROCKETMQ_HOME="+dir, "NAMESRV_ADDR="+s.Addr)
	cmd.SysProcAttr = ownGroup()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("mqadmin %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
