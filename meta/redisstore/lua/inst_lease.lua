-- inst_lease: when the lease of an instance ends or ended.
-- KEYS  1 inst
-- ARGV  1 instance
-- Returns {the clock of Redis in ms, end of the lease in ms or '' when it is not registered}

local t = redis.call('TIME')
return {string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000)), redis.call('ZSCORE', KEYS[1], ARGV[1]) or ''}
