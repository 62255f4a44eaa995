-- Push targets (package push). KEYS: 1 hash of the targets, name -> "<revision> <L live, D deleted><JSON>", and the last revision under "%rev";
-- 2 hash of what has become of them, name -> "<revision> <stopped: 0 or 1> <JSON>", and counts under "<name> d", "<name> f", "<name> x".
-- ARGV[1] is what to do, the rest is its.
local targets, states, op = KEYS[1], KEYS[2], ARGV[1]

local function revision(text) return tonumber(string.match(text, '^(%d+) ')) end

if op == 'put' then -- name, JSON, "any" | "exists" | "none" | revision, most, "L" live or "D" marked as deleted
  local name, expect = ARGV[2], ARGV[4]
  local old = redis.call('HGET', targets, name)
  local live = old and not string.find(old, '^%d+ D')
  if expect == 'exists' and not live then return {'absent'} end
  if expect == 'none' and live then return {'changed'} end
  local rev = tonumber(expect)
  if rev then
    if not old then return {'absent'} end
    if revision(old) ~= rev then return {'changed'} end
  end
  if not old and redis.call('HLEN', targets) - redis.call('HEXISTS', targets, '%rev') >= tonumber(ARGV[5]) then return {'many'} end
  local new = redis.call('HINCRBY', targets, '%rev', 1)
  redis.call('HSET', targets, name, string.format('%.0f', new) .. ' ' .. ARGV[6] .. ARGV[3])
  return {'ok', string.format('%.0f', new)}
end

if op == 'remove' then -- name, revision
  local old = redis.call('HGET', targets, ARGV[2])
  if not old then return {'ok'} end
  if revision(old) ~= tonumber(ARGV[3]) then return {'changed'} end
  redis.call('HDEL', targets, ARGV[2])
  redis.call('HINCRBY', targets, '%rev', 1)
  redis.call('HDEL', states, ARGV[2], ARGV[2] .. ' d', ARGV[2] .. ' f', ARGV[2] .. ' x')
  return {'ok'}
end

if op == 'get' then -- name
  local name = ARGV[2]
  local t = redis.call('HGET', targets, name)
  if not t then return {'absent'} end
  local s = redis.call('HMGET', states, name, name .. ' d', name .. ' f', name .. ' x')
  return {'ok', t, s[1] or '', s[2] or '0', s[3] or '0', s[4] or '0'}
end

if op == 'list' then -- revision seen
  local rev = redis.call('HGET', targets, '%rev') or '0'
  if rev == ARGV[2] then return {'same'} end
  return {'ok', rev, redis.call('HGETALL', targets)}
end

if op == 'states' then return {'ok', redis.call('HGETALL', states)} end

-- report: name, revision, JSON, whether it is stopped (0 or 1), delivered, failed, dead
local name = ARGV[2]
if redis.call('HEXISTS', targets, name) == 0 then return {'absent'} end
local kept = redis.call('HGET', states, name)
local rev, stopped = -1, '0'
if kept then rev, stopped = string.match(kept, '^(%d+) ([01]) ') end
rev = tonumber(rev)
if tonumber(ARGV[3]) > rev or tonumber(ARGV[3]) == rev and (stopped == '0' or ARGV[5] == '1') then
  redis.call('HSET', states, name, ARGV[3] .. ' ' .. ARGV[5] .. ' ' .. ARGV[4])
end
for i, field in ipairs({' d', ' f', ' x'}) do
  if tonumber(ARGV[5 + i]) > 0 then redis.call('HINCRBY', states, name .. field, ARGV[5 + i]) end
end
return {'ok'}
