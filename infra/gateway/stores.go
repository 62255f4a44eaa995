package gateway

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"lmqgate/adapter/auth"
	"lmqgate/adapter/rocketmq"
	"lmqgate/infra/doctor"
	"lmqgate/meta/access"
	"lmqgate/meta/redisstore"
)

// openStore makes the Redis client and the store on it; Redis need not be up.
func (g *Gateway) openStore() error {
	opt := &redis.UniversalOptions{}
	if g.cfg.EmbeddedRedis {
		opt.Addrs = []string{g.embedded.redis.Addr()}
	} else {
		var err error
		if opt, err = g.cfg.RedisOptions(); err != nil {
			return fmt.Errorf("configure redis: %w", err)
		}
	}
	tuneRedis(opt)
	opt.Protocol = 2 // nothing here needs RESP3, of which miniredis and proxies have their own ideas (HRANDFIELD)
	redisstore.RedirectLogs(g.log)
	raw := redis.NewUniversalClient(opt)
	if g.fail.armed() {
		raw.AddHook(redisFailpoints{g.fail})
	}
	g.closeRaw = raw.Close
	store, err := redisstore.New(raw, redisstore.Config{Prefix: g.cfg.RedisPrefix, Logger: g.log, Registerer: g.reg})
	if err != nil {
		return fmt.Errorf("open session store: %w", err)
	}
	g.store = store
	if g.named, err = store.Named(redisstore.NamedConfig{Max: g.cfg.MaxFilters, Registerer: g.reg}); err != nil {
		return fmt.Errorf("open count of filters: %w", err)
	}
	if g.own, err = store.Own(redisstore.OwnConfig{Max: g.cfg.MaxP2PQueues, Registerer: g.reg}); err != nil {
		return fmt.Errorf("open count of clients with a queue of their own: %w", err)
	}
	g.retained, err = store.Retained(redisstore.RetainConfig{
		Clock: g.now, MaxCount: g.cfg.RetainedMax, MaxPayload: g.cfg.RetainedMaxSize, Registerer: g.reg,
	})
	if err != nil {
		return fmt.Errorf("open store of retained messages: %w", err)
	}
	return nil
}

// redisAnswer bounds the answer to one command where neither REDIS_URL nor the caller does: one that takes seconds is slow,
// not lost.
const redisAnswer = 5 * time.Second

// tuneRedis has calls end when their callers' time is over, and one try to connect be one try: whoever calls tries again,
// and then the error says why it failed.
func tuneRedis(opt *redis.UniversalOptions) {
	opt.ContextTimeoutEnabled = true
	opt.DialerRetries = 1
	if opt.ReadTimeout == 0 {
		opt.ReadTimeout = redisAnswer
	}
	opt.DisableIdentity = true
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// canaryEvery is about how often each broker's index is tried.
const canaryEvery = 10 * time.Second

// openRocket makes the RocketMQ client; it is started later and needs no cluster to be up.
func (g *Gateway) openRocket() error {
	servers := g.cfg.NameServers
	if g.cfg.EmbeddedRocketMQ {
		servers = []string{g.embedded.mq.Addr()}
	}
	c, err := rocketmq.New(rocketmq.Config{
		Explain:     doctor.RocketMQRemedy,
		NameServers: servers, AccessKey: g.cfg.RocketMQAccessKey, SecretKey: g.cfg.RocketMQSecretKey.Reveal(), TLS: g.cfg.RocketMQTLSConfig,
		InstanceID: g.id, TopicAutoCreate: g.cfg.TopicAutoCreate, CanaryTopic: g.cfg.FallbackTopic, MaxInFlight: 32768, CanaryEvery: canaryEvery,
		DirectSend: g.cfg.RocketMQProducer == "direct",
		Logger:     g.log, Registerer: g.reg,
	})
	if err != nil {
		return fmt.Errorf("configure rocketmq: %w", err)
	}
	g.rocket = c
	return nil
}

// authenticate makes what AUTH names: the chain for logins by user name and password, and enhanced authentication, which
// is nil without scram and jwt.
func (g *Gateway) authenticate() (verifier access.Verifier, enhanced access.Enhanced, err error) {
	var chain auth.Chain
	var methods auth.Methods
	for _, name := range g.cfg.Auth {
		switch name {
		case "hmac":
			chain = append(chain, auth.HMAC{Username: g.cfg.AuthUsername, Secret: []byte(g.cfg.AuthSecretKey.Reveal())})
		case "anonymous":
			chain = append(chain, auth.Anonymous{Bare: len(g.cfg.Auth) > 1})
		case "scram":
			s, err := auth.NewSCRAM(g.scramConfig())
			if err != nil {
				return nil, nil, fmt.Errorf("configure scram: %w", err)
			}
			chain, methods = append(chain, s), append(methods, s)
		case "jwt":
			j, err := auth.NewJWT(g.jwtConfig())
			if err != nil {
				return nil, nil, fmt.Errorf("configure jwt: %w", err)
			}
			chain, methods = append(chain, j), append(methods, j)
		case "http":
			chain = append(chain, auth.NewCallback(auth.CallbackConfig{URL: g.cfg.AuthHTTPURL, Token: g.cfg.AuthHTTPToken.Reveal(), Now: g.now}))
		case "mtls":
			chain = append(chain, auth.MTLS{From: g.cfg.AuthMTLSUsername})
		}
	}
	verifier, enhanced = chain, nil
	if len(methods) > 0 {
		enhanced = methods
	}
	if sep := g.cfg.TenantSeparator; sep != "" {
		tenants := auth.Tenants{Verifier: chain, Separator: sep}
		verifier = tenants
		if enhanced != nil {
			enhanced = tenants.Enhanced(enhanced)
		}
	}
	limited := &auth.Limited{Verifier: verifier, Failures: g.cfg.AuthFailures, Every: failureEvery, Now: g.now}
	if enhanced != nil {
		enhanced = limited.Enhanced(enhanced)
	}
	return limited, enhanced, nil
}

// failureEvery is after how long one more failed login is looked at, beyond AUTH_FAILURES.
const failureEvery = 6 * time.Second

// jwtConfig says which tokens are accepted.
func (g *Gateway) jwtConfig() auth.JWTConfig {
	cfg := auth.JWTConfig{
		Secret: []byte(g.cfg.JWTSecret.Reveal()), Issuers: g.cfg.JWTIssuers, Audience: g.cfg.JWTAudience, UsernameClaim: g.cfg.JWTUsernameClaim,
		ClientIDClaim: g.cfg.JWTClientIDClaim, ACLClaim: g.cfg.JWTACLClaim, TenantClaim: g.cfg.JWTTenantClaim, Cookie: g.cfg.JWTCookie, Now: g.now,
	}
	if len(g.cfg.JWTKeys) > 0 {
		cfg.Keys = append(cfg.Keys, g.cfg.JWTKeys)
	}
	if g.cfg.JWTJWKSURL != "" {
		cfg.Keys = append(cfg.Keys, auth.NewJWKS(auth.JWKSConfig{
			URL: g.cfg.JWTJWKSURL, MaxStale: g.cfg.JWTJWKSMaxStale, Logger: g.log, Now: g.now,
		}))
	}
	return cfg
}

// scramConfig names the users of AUTH=scram.
func (g *Gateway) scramConfig() auth.SCRAMConfig {
	cfg := auth.SCRAMConfig{
		Users: g.cfg.ScramUsers,
		Seed:  func(ctx context.Context) ([]byte, error) { return g.store.Seed(ctx, "scram") },
	}
	if len(cfg.Users) == 0 {
		cfg.Username, cfg.Password = g.cfg.AuthUsername, []byte(g.cfg.AuthSecretKey.Reveal())
	}
	return cfg
}
