-- inst_end: end the lease of an instance now; it stays registered until its sessions are swept.
-- KEYS  1 inst
-- ARGV  1 instance
-- Returns 1; 0 when it is not registered.

local stop = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not stop then return 0 end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if tonumber(stop) > now then redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1]) end
return 1
