-- inst_beat: say that an instance lives.
-- KEYS  1 inst
-- ARGV  1 instance  2 for how many ms from now
-- Returns the end of its lease, ms.

local t = redis.call('TIME')
local stop = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[2])
redis.call('ZADD', KEYS[1], stop, ARGV[1])
return stop
