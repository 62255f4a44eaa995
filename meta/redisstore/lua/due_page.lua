-- due_page: the sessions whose entry says that their time has come, earliest first.
-- KEYS  1 due
-- ARGV  1 now in ms ('' = the clock of Redis)  2 how many at most
-- Returns client id, score, ...

local now = ARGV[1]
if now == '' then
  local t = redis.call('TIME')
  now = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
end
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, ARGV[2])
