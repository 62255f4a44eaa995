-- release: remove holdings whose tag is not newer than the given one; a filter whose last holder goes leaves the set
-- of held filters, with an entry in the change log where there is one. A group whose last member goes ends. Repeating
-- it is harmless.
-- KEYS  1 head  2 set of held filters  3 change log  then for each holding: holders of the filter, groups of the filter
-- ARGV  1 random token  2 length of the change log (0 = none is kept)
--       then for each holding: filter, field of the holder, epoch, seq, group ('' = none)
-- Returns {1, {number of the holding from 0, life, ...}}: the groups that ended; {2} unknown format: then nothing was
--         changed.

local head = redis.call('HMGET', KEYS[1], 'f', 'n', 't')
if head[1] and head[1] ~= '1' then return {2} end

local function newer(a, b) -- decimal numbers without leading zeros
  if #a ~= #b then return #a > #b end
  return a > b
end

local at, drop = 3, {}
for k = 4, #KEYS, 2 do
  local epoch, seq, group = ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local old = redis.call('HGET', KEYS[k], ARGV[at + 1])
  if old then
    local e, s = string.match(old, '^1%.(%d+)%.(%d+)$')
    if not e then return {2} end
    drop[k] = not (newer(e, epoch) or (e == epoch and newer(s, seq)))
  end
  if group ~= '' then
    local life = redis.call('HGET', KEYS[k + 1], group)
    if life and not string.match(life, '^1 %d+ ') then return {2} end
  end
  at = at + 5
end

local n, token, last, ended = tonumber(head[2] or 0), head[3] or '', ARGV[2], {}
at = 3
for k = 4, #KEYS, 2 do
  local group = ARGV[at + 4]
  if drop[k] and redis.call('HDEL', KEYS[k], ARGV[at + 1]) == 1 and group ~= '' then
    local life = redis.call('HGET', KEYS[k + 1], group)
    local members, rest = string.match(life or '', '^1 (%d+) (.*)$')
    if members and tonumber(members) > 1 then
      redis.call('HSET', KEYS[k + 1], group, string.format('1 %.0f ', tonumber(members) - 1) .. rest)
    elseif members then
      redis.call('HDEL', KEYS[k + 1], group)
      ended[#ended + 1] = tostring((k - 4) / 2)
      ended[#ended + 1] = life
    end
  end
  if redis.call('EXISTS', KEYS[k]) == 0 and redis.call('SREM', KEYS[2], ARGV[at]) == 1 and last ~= '0' then
    n = n + 1
    local next = ARGV[1] .. '.' .. (k - 3)
    redis.call('RPUSH', KEYS[3], string.format('1 %.0f %s %s -', n, next, token == '' and '-' or token) .. ARGV[at])
    token = next
  end
  at = at + 5
end
if last ~= '0' and token ~= (head[3] or '') then
  redis.call('HSET', KEYS[1], 'f', '1', 'n', string.format('%.0f', n), 't', token)
  redis.call('LTRIM', KEYS[3], '-' .. last, -1)
end
return {1, ended}
