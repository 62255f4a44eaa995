-- A request that may be repeated (package idem). KEYS[1] is its hash:
--   f format, h hash of the content, t token of who is at it, u until when (ms), a attempt, r result (finished), k keep (ms),
--   e when it is forgotten (ms)
-- ARGV[1] is what to do, the rest is its.
local key, op = KEYS[1], ARGV[1]
local format = redis.call('HGET', key, 'f')
if format and format ~= '1' then return {'format'} end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function keep(ms)
  redis.call('HSET', key, 'e', string.format('%.0f', now + ms))
  redis.call('PEXPIRE', key, ms)
end

if op == 'begin' then -- hash, token, lease ms, keep ms
  local v = redis.call('HMGET', key, 'h', 'u', 'a', 'r', 'e')
  if format and tonumber(v[5]) <= now then
    redis.call('DEL', key)
    format, v = nil, {}
  end
  if format then
    if v[1] ~= ARGV[2] then return {'another'} end
    if v[4] then return {'finished', v[4]} end
    if tonumber(v[2]) > now then return {'busy'} end
  end
  redis.call('HSET', key, 'f', '1', 'h', ARGV[2], 't', ARGV[3], 'u', string.format('%.0f', now + tonumber(ARGV[4])), 'k', ARGV[5])
  keep(ARGV[5])
  return {'begun', v[3] or ''}
end

local v = redis.call('HMGET', key, 't', 'k', 'a') -- token, ...
if v[1] ~= ARGV[2] then return {'lost'} end
if op == 'sending' then
  redis.call('HSET', key, 'a', ARGV[3])
elseif op == 'finish' then
  redis.call('HSET', key, 'r', ARGV[3])
elseif op == 'leave' then
  if ARGV[3] == '1' and not v[3] then
    redis.call('DEL', key)
    return {'ok'}
  end
  redis.call('HSET', key, 'u', '0')
  redis.call('HDEL', key, 't')
end
keep(v[2])
return {'ok'}
