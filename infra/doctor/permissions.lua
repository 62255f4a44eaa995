-- Tries every command that the gateway's scripts use, on keys of its own.
-- KEYS: 1, 2 two keys that nobody has. ARGV: none.
-- Answers the names of those that were refused for want of permission. Leaves nothing: both keys are deleted, and would go by themselves.
local a, b = KEYS[1], KEYS[2]
local refused = {}
local function try(...)
  local reply = redis.pcall(...)
  -- NOPERM, "ACL failure in script", "The user executing the script can't run this command": it depends on the version
  if type(reply) == 'table' and reply.err and (string.find(reply.err, 'NOPERM') or string.find(reply.err, 'ACL failure')
    or string.find(reply.err, 'executing the script')) then
    refused[#refused + 1] = select(1, ...)
  end
end
local function clear()
  try('DEL', a, b)
end
try('TIME')
try('EXISTS', a)
try('SET', a, '1', 'PX', 60000)
try('GET', a)
try('GETRANGE', a, 0, 0)
try('INCR', a)
try('PTTL', a)
try('PEXPIRE', a, 60000)
clear()
try('HSET', a, 'f', 'v')
try('PEXPIRE', a, 60000)
try('HGET', a, 'f')
try('HMGET', a, 'f')
try('HGETALL', a)
try('HVALS', a)
try('HLEN', a)
try('HDEL', a, 'f')
clear()
try('ZADD', a, 1, 'm')
try('PEXPIRE', a, 60000)
try('ZSCORE', a, 'm')
try('ZCARD', a)
try('ZCOUNT', a, 0, 1)
try('ZRANGE', a, 0, 1)
try('ZRANGEBYSCORE', a, 0, 1)
try('ZRANGEBYLEX', a, '-', '+')
try('ZREMRANGEBYSCORE', a, 0, 0)
try('ZREM', a, 'm')
clear()
try('RPUSH', a, 'v')
try('PEXPIRE', a, 60000)
try('LLEN', a)
try('LRANGE', a, 0, 1)
try('LTRIM', a, 0, 1)
clear()
try('SADD', a, 'm')
try('PEXPIRE', a, 60000)
try('SMEMBERS', a)
try('SREM', a, 'm')
clear()
try('PFADD', a, 'm')
clear()
return refused
