-- hold: record holdings of filters of one slot; the first holder of a filter puts it into the set of held filters,
-- and into the change log where there is one. A holding never goes back to an older tag. A new holding of a shared
-- subscription counts as one more member of its group. Repeating it is harmless.
-- KEYS  1 head  2 set of held filters  3 change log  4 count of the caller's hold scripts
--       5 filters that were ever held (HyperLogLog)  then for each holding: holders of the filter, groups of the filter
-- ARGV  1 random token  2 length of the change log (0 = none is kept)  3 ms for which the count is kept
--       then for each holding: filter, field of the holder, epoch, seq, group ('' = none)
-- Returns {1, count}; {2} unknown format: then nothing was changed.

local head = redis.call('HMGET', KEYS[1], 'f', 'n', 't')
if head[1] and head[1] ~= '1' then return {2} end

local function newer(a, b) -- decimal numbers without leading zeros
  if #a ~= #b then return #a > #b end
  return a > b
end

local at, set = 4, {}
for k = 6, #KEYS, 2 do
  local field, epoch, seq, group = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local old = redis.call('HGET', KEYS[k], field)
  if old then
    local e, s = string.match(old, '^1%.(%d+)%.(%d+)$')
    if not e then return {2} end
    set[k] = newer(epoch, e) or (epoch == e and newer(seq, s))
  else
    set[k] = true
  end
  if group ~= '' then
    local life = redis.call('HGET', KEYS[k + 1], group)
    if life and not string.match(life, '^1 %d+ ') then return {2} end
  end
  at = at + 5
end

local n, token, last = tonumber(head[2] or 0), head[3] or '', ARGV[2]
if not head[1] then redis.call('HSET', KEYS[1], 'f', '1') end
at = 4
for k = 6, #KEYS, 2 do
  local group, fresh = ARGV[at + 4], 0
  if set[k] then fresh = redis.call('HSET', KEYS[k], ARGV[at + 1], '1.' .. ARGV[at + 2] .. '.' .. ARGV[at + 3]) end
  if group ~= '' then
    local life = redis.call('HGET', KEYS[k + 1], group)
    if not life then
      redis.call('HSET', KEYS[k + 1], group, '1 1 n - 0 ')
    elseif fresh == 1 then
      local members, rest = string.match(life, '^1 (%d+) (.*)$')
      redis.call('HSET', KEYS[k + 1], group, string.format('1 %.0f ', tonumber(members) + 1) .. rest)
    end
  end
  local new = redis.call('SADD', KEYS[2], ARGV[at]) == 1
  if new then redis.call('PFADD', KEYS[5], ARGV[at]) end
  if new and last ~= '0' then
    n = n + 1
    local next = ARGV[1] .. '.' .. (k - 5)
    redis.call('RPUSH', KEYS[3], string.format('1 %.0f %s %s +', n, next, token == '' and '-' or token) .. ARGV[at])
    token = next
  end
  at = at + 5
end
if last ~= '0' and token ~= (head[3] or '') then
  redis.call('HSET', KEYS[1], 'n', string.format('%.0f', n), 't', token)
  redis.call('LTRIM', KEYS[3], '-' .. last, -1)
end
local count = redis.call('INCR', KEYS[4])
redis.call('PEXPIRE', KEYS[4], ARGV[3])
return {1, count}
