package telemetry

import "runtime/debug"

// Set by the linker: -X lmqgate/infra/telemetry.version=v0.1.0 -X lmqgate/infra/telemetry.commit=<hash>.
var version, commit string

// Build names what is running.
type Build struct {
	Version string // a tag, or "devel"
	Commit  string // a hash, "-dirty" behind it if the tree had changes, or "unknown"
	Go      string // the toolchain, such as "go1.26.0"
}

// ReadBuild returns what the linker was told, else what the toolchain recorded.
func ReadBuild() Build {
	info, _ := debug.ReadBuildInfo()
	return readBuild(version, commit, info)
}

// readBuild is ReadBuild with its sources given; info may be nil.
func readBuild(version, commit string, info *debug.BuildInfo) Build {
	b := Build{Version: version, Commit: commit}
	if info != nil {
		b.Go = info.GoVersion
		if b.Version == "" && info.Main.Version != "(devel)" {
			b.Version = info.Main.Version
		}
		if b.Commit == "" {
			b.Commit = revision(info.Settings)
		}
	}
	if b.Version == "" {
		b.Version = "devel"
	}
	if b.Commit == "" {
		b.Commit = "unknown"
	}
	return b
}

func revision(settings []debug.BuildSetting) string {
	hash, dirty := "", ""
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision":
			hash = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if hash == "" {
		return ""
	}
	return hash + dirty
}

// String is one line for `lmqgate version`.
func (b Build) String() string { return "lmqgate " + b.Version + " (" + b.Commit + ", " + b.Go + ")" }
