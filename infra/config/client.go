package config

// DefaultClientURL is where a gateway started without configuration listens.
const DefaultClientURL = "ws://127.0.0.1:8080/mqtt"

// ClientURL returns the gateway that `lmqgate sub` and `lmqgate pub` speak to when --url is not given: LMQGATE_URL of
// the environment, else DefaultClientURL.
func ClientURL(environ []string) string {
	if v := toMap(environ)["LMQGATE_URL"]; v != "" {
		return v
	}
	return DefaultClientURL
}
