package parts

import (
	"os"
	"path/filepath"
)

// RocketMQVersion is what RocketMQ starts unless told otherwise; e2e/rocketmq/pom.xml names the same.
const RocketMQVersion = "5.4.0"

// RocketMQFloor is the oldest RocketMQ that is tested: of 5.3.2, the oldest that works, Maven Central has no name server.
const RocketMQFloor = "5.3.3"

// jars returns the directory with a version of RocketMQ and all it needs. It comes from Maven Central, and only where real
// servers are required; otherwise a test without it is skipped.
func jars(t T, version string) string {
	t.Helper()
	needPackage(t, "java", "default-jre-headless")
	cache, err := cacheDir()
	if err != nil {
		t.Fatalf("find RocketMQ: %v", err)
	}
	name := filepath.Join("rocketmq-"+version, "lib")
	if !present(filepath.Join(cache, name)) {
		if !Required() {
			missing(t, "RocketMQ %s is not in %s; get it with: REQUIRE_REAL=1 make test (needs mvn)", version, filepath.Join(cache, name))
		}
		needPackage(t, "mvn", "maven")
	}
	lib, err := fetch(name, func(dir string) error { return download(dir, version) })
	if err != nil {
		t.Fatalf("fetch RocketMQ: %v", err)
	}
	return lib
}

// download has Maven copy the jars of a version into dir. Maven writes into the folder of the pom, so it works on a copy.
func download(dir, version string) error {
	from, err := source("rocketmq", "pom.xml")
	if err != nil {
		return err
	}
	pom, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "lmqgate-maven-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), pom, 0o644); err != nil {
		return err
	}
	return run(work, "mvn", "-q", "-B", "-Drocketmq.version="+version, "dependency:copy-dependencies", "-DoutputDirectory="+dir)
}
