package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"lmqgate/meta/access"
	"lmqgate/meta/topic"
)

func (c *Config) checkAuth(set map[string]string, wrong *Problems) {
	if slices.ContainsFunc(c.StatusUsers, func(name string) bool { return strings.EqualFold(name, "off") }) {
		wrong.must(set, "STATUS_USERS", len(c.StatusUsers) == 1)
		c.StatusUsers = nil
	}
	wrong.must(set, "TENANT_SEPARATOR", separates(c.TenantSeparator))
	c.checkRules(set, wrong)
	if len(c.Auth) == 0 {
		wrong.add("AUTH", "is required with a real Redis or RocketMQ; give %s", accepts("AUTH"))
		return
	}
	for _, kind := range c.Auth {
		wrong.must(set, "AUTH", slices.Contains([]string{"hmac", "scram", "jwt", "http", "mtls", "anonymous"}, kind))
	}
	c.checkScram(set, wrong)
	c.checkJWT(set, wrong)
	c.checkCallback(set, wrong)
	pair := slices.Contains(c.Auth, "hmac")
	if slices.Contains(c.Auth, "scram") && set["AUTH_SCRAM_USERS"] == "" && set["AUTH_SCRAM_USERS_FILE"] == "" {
		if set["AUTH_USERNAME"] == "" && set["AUTH_SECRET_KEY"] == "" && !pair {
			wrong.add("AUTH_SCRAM_USERS", "is not set while AUTH has scram; give %s, AUTH_SCRAM_USERS_FILE, or AUTH_USERNAME and AUTH_SECRET_KEY",
				accepts("AUTH_SCRAM_USERS"))
			return
		}
		pair = true
		c.checkScramPair(wrong)
	}
	if pair && c.AuthUsername == "" {
		wrong.add("AUTH_USERNAME", "is not set; give %s", accepts("AUTH_USERNAME"))
	}
	if pair && c.AuthSecretKey == "" {
		wrong.add("AUTH_SECRET_KEY", "is not set; give %s", accepts("AUTH_SECRET_KEY"))
	}
}

// separates reports whether a text can stand between tenant and user: in it is nothing that a tenant's name may have.
func separates(s string) bool {
	return len(s) <= 8 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || topic.ValidTenant(string(r)) })
}

// checkRules reads who may do what.
func (c *Config) checkRules(set map[string]string, wrong *Problems) {
	add := func(variable, text string) {
		rules, err := access.ParseRules([]byte(text))
		if err != nil {
			wrong.add(variable, "%v", err)
		}
		c.Rules = append(c.Rules, rules...)
	}
	if c.ACLRules != "" {
		add("ACL_RULES", c.ACLRules)
	}
	if c.ACLRulesFile != "" {
		text, err := readSmall(c.ACLRulesFile)
		if err != nil {
			wrong.add("ACL_RULES_FILE", "%v; give %s", err, accepts("ACL_RULES_FILE"))
		} else {
			add("ACL_RULES_FILE", text)
		}
	}
	c.ACLDefault = strings.ToLower(c.ACLDefault)
	wrong.must(set, "ACL_DEFAULT", c.ACLDefault == "" || c.ACLDefault == "allow" || c.ACLDefault == "deny")
	if c.ACLDefault == "" {
		c.ACLDefault = "allow"
		if c.ACLRules != "" || c.ACLRulesFile != "" { // an empty list, too
			c.ACLDefault = "deny"
		}
	}
}

// checkScram reads the users of AUTH=scram.
func (c *Config) checkScram(set map[string]string, wrong *Problems) {
	names := make(map[string]bool)
	add := func(variable, where, line string) {
		user, err := access.ParseScramCredential(line)
		switch {
		case err != nil:
			wrong.add(variable, "%s: %v; give %s", where, err, accepts(variable))
		case names[user.Name]:
			wrong.add(variable, "%s: the user has a line already", where)
		default:
			names[user.Name] = true
			c.ScramUsers = append(c.ScramUsers, user)
		}
	}
	for i, line := range parseList(c.AuthScramUsers.Reveal()) {
		add("AUTH_SCRAM_USERS", fmt.Sprintf("user %d", i+1), line)
	}
	if c.AuthScramUsersFile != "" {
		text, err := readSmall(c.AuthScramUsersFile)
		if err != nil {
			wrong.add("AUTH_SCRAM_USERS_FILE", "%v; give %s", err, accepts("AUTH_SCRAM_USERS_FILE"))
			return
		}
		before := len(c.ScramUsers)
		for i, line := range strings.Split(text, "\n") {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				add("AUTH_SCRAM_USERS_FILE", fmt.Sprintf("line %d", i+1), line)
			}
		}
		if len(c.ScramUsers) == before && !wrong.has("AUTH_SCRAM_USERS_FILE") {
			wrong.add("AUTH_SCRAM_USERS_FILE", "has no user; give %s", accepts("AUTH_SCRAM_USERS_FILE"))
		}
	}
	for _, name := range []string{"AUTH_SCRAM_USERS", "AUTH_SCRAM_USERS_FILE"} {
		if set[name] != "" && !slices.Contains(c.Auth, "scram") {
			c.Warnings = append(c.Warnings, name+": is not used, since AUTH does not have scram")
		}
	}
}

// checkScramPair looks whether user name and key can be a user of AUTH=scram.
func (c *Config) checkScramPair(wrong *Problems) {
	if c.AuthUsername == "" || c.AuthSecretKey == "" {
		return
	}
	if _, err := access.PrepareScramName(c.AuthUsername); err != nil {
		wrong.add("AUTH_USERNAME", "cannot be one of scram: %v", err)
		return
	}
	salt := make([]byte, 16) // any
	if _, err := access.NewScramCredential(c.AuthUsername, c.AuthSecretKey.Reveal(), salt, access.MinScramIterations); err != nil {
		wrong.add("AUTH_SECRET_KEY", "cannot be one of scram: %v", err)
	}
}

// maxSmallFile bounds what readSmall reads, in bytes.
const maxSmallFile = 16 << 20

// readSmall reads a file that a variable names.
func readSmall(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("read file: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSmallFile+1))
	if err == nil && len(b) > maxSmallFile {
		err = errors.New("over 16 MiB")
	}
	if err != nil {
		return "", fmt.Errorf("read file: %w", err)
	}
	return string(b), nil
}

// ReadRules reads ACL_RULES and ACL_RULES_FILE again: a mounted file may have been replaced.
func (c *Config) ReadRules() ([]access.Rule, error) {
	var rules []access.Rule
	if c.ACLRules != "" {
		fixed, err := access.ParseRules([]byte(c.ACLRules))
		if err != nil {
			return nil, err
		}
		rules = fixed
	}
	text, err := readSmall(c.ACLRulesFile)
	if err != nil {
		return nil, err
	}
	more, err := access.ParseRules([]byte(text))
	return append(rules, more...), err
}
