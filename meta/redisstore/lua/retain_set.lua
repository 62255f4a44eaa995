-- retain_set: keep or remove the retained message of one topic, value and index together. Repeating it is harmless.
-- KEYS  1 ret:{r}:v:<topic>  2 ret:{r}:i  3 ret:{r}:x
-- ARGV  1 entry of the index  2 value ('' = remove)  3 ms to live ('' = for ever)  4 '1' = a new topic is allowed
-- Returns {1, topics added (1, 0 or -1)}; {2} unknown format; {3} a new topic is not allowed. Nothing is changed unless
-- 1, but that a few entries of messages that have expired go.

local first = redis.call('GETRANGE', KEYS[1], 0, 0)
if first ~= '' and first ~= '\1' then return {2} end

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
for _, entry in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', string.format('(%.0f', now), 'LIMIT', 0, 10)) do
  redis.call('ZREM', KEYS[2], entry)
  redis.call('ZREM', KEYS[3], entry)
end

if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[3], ARGV[1])
  return {1, -redis.call('ZREM', KEYS[2], ARGV[1])}
end

local known = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not known and ARGV[4] ~= '1' then return {3} end
if ARGV[3] == '' then
  redis.call('SET', KEYS[1], ARGV[2])
  redis.call('ZREM', KEYS[3], ARGV[1])
else
  local ends = string.format('%.0f', now + tonumber(ARGV[3]))
  redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ends)
  redis.call('ZADD', KEYS[3], ends, ARGV[1])
end
if known then return {1, 0} end
redis.call('ZADD', KEYS[2], 0, ARGV[1])
return {1, 1}
