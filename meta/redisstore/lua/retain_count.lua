-- retain_count: count the topics of one index that have not expired. Entries of some that have go.
-- KEYS  1 ret:{r}:i  2 ret:{r}:x
-- ARGV  1 how many expired entries to remove at most
-- Returns the number.

local t = redis.call('TIME')
local now = string.format('(%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
local gone = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, entry in ipairs(gone) do
  redis.call('ZREM', KEYS[1], entry)
  redis.call('ZREM', KEYS[2], entry)
end
return redis.call('ZCARD', KEYS[1]) - redis.call('ZCOUNT', KEYS[2], '-inf', now)
