package parts

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// JavaApplication returns a command that runs a class of e2e/rocketmq/java with the RocketMQ client of a version ("" means
// RocketMQVersion). The caller starts it; it ends with the test at the latest.
func JavaApplication(t T, version, class string, args ...string) *exec.Cmd {
	t.Helper()
	if version == "" {
		version = RocketMQVersion
	}
	lib := jars(t, version)
	classes := compiled(t, lib, version, class)
	dir := t.TempDir()
	cmd := exec.Command("java", append([]string{
		"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Dfile.encoding=UTF-8", // short-lived
		"-Duser.home=" + dir, "-Djava.io.tmpdir=" + dir, "-Djava.net.preferIPv4Stack=true",
		"-Drocketmq.client.rebalance.waitInterval=1000", // a new group often needs a second attempt: 20 s later by default
		"-cp", classes + string(os.PathListSeparator) + filepath.Join(lib, "*"), class,
	}, args...)...)
	cmd.Dir = dir
	ends(t, cmd)
	return cmd
}

// compiled returns the folder with a class of e2e/rocketmq/java, cached under the hash of its source.
func compiled(t T, lib, version, class string) string {
	t.Helper()
	needPackage(t, "javac", "default-jdk-headless")
	file, err := source("rocketmq", "java", class+".java")
	if err != nil {
		t.Fatalf("find %s: %v", class, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("read %s: %v", class, err)
	}
	name := fmt.Sprintf("%s-%x", strings.ToLower(class), sha256.Sum256(text))[:len(class)+17]
	dir, err := fetch(filepath.Join("rocketmq-"+version, name), func(dir string) error {
		return run("", "javac", "-encoding", "UTF-8", "-Xlint:all,-processing,-classfile", "-Werror", "-cp", filepath.Join(lib, "*"), "-d", dir, file)
	})
	if err != nil {
		t.Fatalf("compile %s: %v", class, err)
	}
	return dir
}
