-- inst_drop: forget an instance, unless it lives again.
-- KEYS  1 inst
-- ARGV  1 instance
-- Returns 1 when it was forgotten, else 0.

local stop = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not stop then return 0 end
local t = redis.call('TIME')
if tonumber(stop) > t[1] * 1000 + math.floor(t[2] / 1000) then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])
