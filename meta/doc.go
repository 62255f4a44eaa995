// Package meta is the root of what outlives an instance: nouns (topic, message, session, registry), their rules and
// small interfaces. Nothing in it imports other folders of this module; Redis is known to redisstore alone.
package meta
